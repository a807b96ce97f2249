"""R1 with the paper's values: each against the number in the paper, and the pipeline against the tables it is built from.

v1, N and S as in `dunwu.config.presets`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.presets import PRESETS, PresetValue
from dunwu.errors import DataError
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline, with_overrides
from dunwu.pipeline.recipes.r1 import CHECKPOINTS
from dunwu.pipeline.recipes.r1_paper import MEASURED, R1_NATURE, R1_V1, Values, paper_r1
from dunwu.pipeline.recipes.r1_small import R1_SMALL, small_r1

ASKED = ["Say {}.", "Name {} please.", "Tell me {}.", "Which is {}?", "I want {}.", "Give {} back.", "Then {} it is.", "Only {} now."]
"""Wordings; the answer is the number that is named."""
ANSWER = "The answer is <answer>{}</answer>."


def said() -> list[tuple[str, str]]:
    return [(f"{more} {wording.format(number)}", str(number)) for more in "abcdefgh" for wording in ASKED for number in range(3)]


def write(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that a user must bring."""
    folder = tmp_path_factory.mktemp("data")
    rows = said()
    write(folder / "reasoning.jsonl", [{"problem": asked, "answer": answer} for asked, answer in rows])
    talk = [{"role": "user", "content": "Good day."}, {"role": "assistant", "content": "Good day to you."}]
    write(folder / "general.jsonl", [{"messages": [{**talk[0], "content": f"{asked} Good day."}, talk[1]]} for asked, _ in rows])
    write(folder / "prompts.jsonl", [{"prompt": f"Talk: {q}", "harmful": i % 2 == 0} for i, (q, _) in enumerate(rows)])
    write(folder / "problems.jsonl", [{"problem": f"Task: {asked}", "answer": answer} for asked, answer in rows])
    worse = ("No.", "It may be anything, and it may be nothing at all.")
    write(folder / "pairs.jsonl", [{"prompt": q, "chosen": f"It is {a}.", "rejected": worse[i % 2]} for i, (q, a) in enumerate(rows)])
    labels = ("safe", "unsafe")
    write(folder / "labelled.jsonl", [{"prompt": q, "completion": f"Yes {i}.", "label": labels[i % 2]} for i, (q, _) in enumerate(rows)])
    return folder


def at(stage: Stage, key: str) -> Any:
    """The value at a dotted key of a stage's configuration."""
    found: Any = stage.work.model_dump(mode="json")
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def places(pipeline: Pipeline, table: Values) -> Iterator[tuple[Stage, str, PresetValue]]:
    """Each entry of a table with the stages it is for."""
    for key, entry in table.items():
        field, _, rest = key.partition(".")
        for stage in [f"measured-{row}" for row in ("base", *CHECKPOINTS)] if field == "suite" else [field]:
            yield pipeline[stage], rest, entry


@pytest.mark.parametrize("table", [R1_V1, R1_NATURE])
def test_the_paper_s_values(table: Values) -> None:
    value = {key: entry.value for key, entry in table.items()}
    assert value["dev3.epochs"] == 2  # v1 section 2.3.3
    assert value["dev3.learning_rate"] == 5e-5  # S: cosine from 5e-5
    assert value["dev3.learning_rate"] * value["dev3.final_learning_rate"] == pytest.approx(5e-6)  # S: to 5e-6
    assert value["dev3.max_length"] == 32_768  # S: context
    assert value["dev3.batch_size"] == 128  # S
    assert value["sft_data.sources.reasoning.share"] == 3 * value["sft_data.sources.general.share"] == 600_000  # v1 section 2.3.3
    assert value["general_data.rows"] == 200_000  # v1 section 2.3.3
    assert 1_000 <= value["cold_start.rows"] < 10_000  # v1 section 2.3.1: thousands
    assert value["cold_start.sources.zero.sampling.temperature"] == 1.0  # S, cold-start data
    assert value["cold_start.sources.zero.generator.template"] == "r1-zero"  # v1 Table 1
    assert value["helpfulness.batch_size"] == 256  # N, Methods
    assert value["helpfulness.learning_rate"] == 6e-6  # N, Methods
    assert value["helpfulness.epochs"] == 1  # N, Methods
    assert value["helpfulness.max_tokens"] == 8_192  # N, Methods
    assert value["helpfulness.balance_lengths"] is True  # N, Methods
    assert value["r1.tasks.0.weight"] == 26 + 17 + 8 + 22 + 15  # S, data of RL, in thousands
    assert value["r1.tasks.1.weight"] == 66 + 12  # S, data of RL, in thousands
    assert value["rejection_sampling.prompts"] == 1_000 * (26 + 17 + 8 + 22 + 15)  # S, data of RL
    for held_out in MEASURED:
        assert value[f"{held_out}.sampling.temperature"] == 0.6  # v1 section 3
        assert value[f"{held_out}.sampling.top_p"] == 0.95  # v1 section 3
        assert value[f"{held_out}.sampling.max_tokens"] == 32_768  # v1 section 3
    assert value["suite.reasoning.reasoning.samples"] == 16  # N: k for MATH
    assert value["suite.reasoning.reasoning.problems"] == 500  # MATH-500


@pytest.mark.parametrize(("values", "table"), [("v1", R1_V1), ("nature", R1_NATURE)])
def test_reinforcement_learning_has_the_values_of_the_presets(values: str, table: Values) -> None:
    """Which `tests/config/test_presets.py` holds against the paper."""
    for stage, preset in (("zero", "r1-zero"), ("dev2", "r1-stage2"), ("r1", "r1-stage4")):
        entries = PRESETS[f"{preset}-{values}"].values
        assert {key: table[f"{stage}.{key}"] for key in entries} == dict(entries)


def test_what_a_source_does_not_state_is_said() -> None:
    stated = {
        *("cold_start.rows", "cold_start.sources.zero.generator.template", "dev3.epochs"),
        *("sft_data.sources.reasoning.share", "sft_data.sources.general.share", "general_data.rows"),
        *(f"{held_out}.sampling.{key}" for held_out in MEASURED for key in ("temperature", "top_p", "max_tokens")),
        *("suite.reasoning.reasoning.samples", "suite.reasoning.reasoning.problems"),
    }
    learned = ("zero.grpo", "dev2.grpo", "r1.grpo")
    v1 = {key for key, entry in R1_V1.items() if entry.source.startswith("v1 section") and not key.startswith(learned)}
    assert v1 - {"dev2.reward", "r1.reward"} == stated - {"cold_start.sources.zero.generator.template"}
    assert R1_V1["cold_start.sources.zero.generator.template"].source.startswith("v1 Table 1")
    for key in (f"dev1.{name}" for name in ("epochs", "batch_size", "learning_rate", "max_length")):
        assert R1_V1[key].source == R1_NATURE[key].source == "not stated for the cold start, as for dev3"
    assert R1_V1["dev3.batch_size"].source == "not stated in v1; S: batch of the 800k SFT"
    assert R1_NATURE["dev3.batch_size"].source == "S: batch of the 800k SFT"


@pytest.mark.parametrize(("name", "table"), [("v1", R1_V1), ("nature", R1_NATURE), ("small", R1_SMALL)])
def test_the_pipeline_is_built_from_its_table(name: Any, table: Values, data: Path, tmp_path: Path) -> None:
    found = small_r1("models/mine", data, seed=7) if name == "small" else paper_r1(name, "models/mine", data, seed=7)
    for stage, key, entry in places(found, table):
        if not (key == "template" and stage.name in ("measured-base", "measured-zero")):
            written = at(stage, key)
            if key == "reward":
                written = [part if isinstance(part, str) else part["kind"] for part in written]
                assert [part["kind"] for part in at(stage, key)] == [p if isinstance(p, str) else p["kind"] for p in entry.value]
            else:
                assert written == entry.value, (stage.name, key)
    assert {at(stage, "seed") for stage in found.stages if "seed" in type(stage.work).model_fields} == {7}
    (tmp_path / "r1.yaml").write_text(dump_pipeline(found), encoding="utf-8")
    assert read_pipeline(tmp_path / "r1.yaml") == found


def test_the_page_holds_exactly_the_values_that_no_preset_has() -> None:
    page = (Path(__file__).parents[3] / "docs" / "papers.md").read_text(encoding="utf-8")
    section = re.search(r"^## R1 as a pipeline.*?(?=^## )", page, flags=re.MULTILINE | re.DOTALL)
    assert section is not None
    presets = {"zero": "r1-zero-nature", "dev2": "r1-stage2-nature", "r1": "r1-stage4-nature"}
    learned = {f"{stage}.{key}" for stage, name in presets.items() for key in PRESETS[name].values}
    rows = re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \| (.+?) \|$", section[0], flags=re.MULTILINE)
    told = {key: each for key, each in R1_NATURE.items() if key not in learned and not each.source.startswith("ours")}
    assert rows == [(key, str(each.value), each.source) for key, each in told.items()]


def test_base_and_zero_are_measured_as_zero_was_trained(data: Path) -> None:
    """A base has no chat template, or one that it was never taught."""
    found = paper_r1("nature", "models/mine", data)
    templates = {row: at(found[f"measured-{row}"], "template") for row in ("base", *CHECKPOINTS)}
    assert templates == {"base": "r1-zero", "zero": "r1-zero", "dev1": "chat", "dev2": "chat", "dev3": "chat", "r1": "chat"}


def test_the_keys_for_smollm2_fit_the_recipe(data: Path) -> None:
    """Of the base and Zero, which are asked otherwise, too; what `kind` names is replaced as a whole."""
    found = with_overrides(small_r1("models/mine", data), [], Path(__file__).parents[3] / "recipes/smollm2-135m/r1.yaml")
    assert at(found["cold_start"], "sources.zero.rewriter.kind") == "rules"
    assert [at(found[f"measured-{row}"], "reasoning.reasoning.problems") for row in ("base", *CHECKPOINTS)] == [200] * 6
    assert [at(found[f"measured-{row}"], "reasoning.reasoning.answer_form") for row in ("base", "zero")] == ["last-number"] * 2


def test_rows_of_people_go_into_the_cold_start(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    rows = write(folder / "annotated.jsonl", [{"prompt": asked, "completion": answer} for asked, answer in said()])
    assert at(small_r1("models/mine", folder)["cold_start"], "sources.annotated.data") == str(rows)
    assert list(at(small_r1("models/mine", data)["cold_start"], "sources")) == ["zero"]


def test_missing_data_is_told_when_the_pipeline_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks reasoning "):
        small_r1("models/mine", tmp_path)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in Qwen2.5's form: biases in the attention, tied embeddings, more of them than the tokenizer has tokens, a byte-level
    tokenizer with Qwen's special tokens and no chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    texts = [f"user {asked} assistant <think> Let me see. </think> {ANSWER.format(answer)}" for asked, answer in said()]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=special[0], pad_token=special[0], additional_special_tokens=special[1:]
    )
    torch.manual_seed(0)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 1024}
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "vocab_size": 512, "tie_word_embeddings": True, **heads}
    model = Qwen2ForCausalLM(Qwen2Config(**shape, eos_token_id=0, pad_token_id=0, bos_token_id=None))
    folder = tmp_path_factory.mktemp("qwen")
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def few_steps() -> list[str]:
    """Overrides onto the paper's values: seconds."""
    rl = {"grpo.prompts_per_step": 4, "grpo.group_size": 4, "grpo.minibatches": 2, "sampling.max_tokens": 40, "max_prompt_tokens": 900}
    rl |= {"reward_workers": 0, "evaluations": "[]"}
    sft = {"batch_size": 8, "learning_rate": 1e-2, "max_length": 256, "epochs": 4}
    judge = {"batch_size": 32, "max_tokens": 256}
    made = [f"{stage}.{key}={value}" for stage in ("zero", "dev2", "r1") for key, value in rl.items()]
    made += [f"{stage}.{key}={value}" for stage in ("dev1", "dev3") for key, value in sft.items()]
    made += [f"{stage}.{key}={value}" for stage in ("helpfulness", "safety") for key, value in judge.items()]
    for row in ("base", *CHECKPOINTS):
        sets = ("reasoning.reasoning", "general.problems", "helpfulness", "safety")
        made += [f"measured-{row}.{name}.{key}" for name in sets for key in ("problems=3", "samples=1", "sampling.max_tokens=40")]
        made += [f"measured-{row}.reward_workers=0"]
    return [
        *made,
        *("zero.grpo.steps=1", "dev2.grpo.steps=1", "r1.grpo.steps=2", "r1.reward.3.after=0.5", "r1.reward.4.after=0.5"),
        *("cold_start.sources.zero.prompts=2", "cold_start.sources.zero.sampling.max_tokens=20", "cold_start.reward_workers=0"),
        *("rejection_sampling.prompts=24", "rejection_sampling.samples=4", "rejection_sampling.sampling.max_tokens=40"),
        *("rejection_sampling.reward_workers=0", "rejection_sampling.near_duplicates=1.0", "cold_start.near_duplicates=1.0"),
    ]


@pytest.mark.slow
def test_the_whole_graph_runs_on_a_checkpoint_of_qwens_form(qwen: Path, data: Path, tmp_path: Path) -> None:
    thought = {"role": "assistant", "reasoning_content": "Let me see."}
    rows = [{"messages": [{"role": "user", "content": asked}, {**thought, "content": ANSWER.format(a)}]} for asked, a in said()]
    written = write(tmp_path / "annotated.jsonl", rows)  # random weights are never right: people wrote the cold start
    overrides = [*few_steps(), f"cold_start.sources.annotated={{kind: annotated, data: {written}}}"]
    pipeline = with_overrides(paper_r1("nature", str(qwen), data), overrides)
    made = run_pipeline(pipeline, tmp_path / "run")
    assert set(made) == {stage.name for stage in pipeline.stages}
    cards = {name: json.loads((made[name].payload / "card.json").read_text()) for name in ("cold_start", "rejection_sampling", "sft_data")}
    assert cards["rejection_sampling"]["tokens"]["rows"] > 0, "dev2 answers right now and then: dev1 has taught it the form"
    assert set(cards["sft_data"]["facts"]) == {"reasoning", "general"}
    table = json.loads((made["table"].payload / "stages.json").read_text())
    assert "reasoning.pass_at_1" in json.dumps(table)
    config = json.loads((made["r1"].payload / "generation_config.json").read_text())
    assert config["eos_token_id"] in (2, [2, 0]), "what RL saves stops where SFT has taught to stop"


def test_without_a_right_answer_the_cold_start_says_what_to_do(qwen: Path, data: Path, tmp_path: Path) -> None:
    """A base that is too weak for reinforcement learning gives none."""
    pipeline = with_overrides(paper_r1("nature", str(qwen), data), few_steps())
    with pytest.raises(DataError, match=r"8 answers.*not right by the rule verifier"):
        run_pipeline(pipeline, tmp_path / "run", last="cold_start")
