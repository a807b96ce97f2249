"""Pre-training from beginning to end on a model far too small, and its card."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.analysis.report import flat_facts
from dunwu.cli.explain_command import lineage
from dunwu.config.blocks import SamplingConfig
from dunwu.config.load import load_config
from dunwu.config.pretrain import ModelShape, PretrainConfig
from dunwu.config.recipes import find_recipe
from dunwu.config.tasks import CountdownTask, Game24Task
from dunwu.config.zero import EvalConfig
from dunwu.data.tiny_world import card
from dunwu.data.tiny_world.card import check_hash, read_card
from dunwu.errors import RunError
from dunwu.jobs import pretrain as pipeline
from dunwu.models.loading import load_model
from dunwu.run.directory import read_metrics
from dunwu.trainers import pretrain as trainer
from dunwu.trainers.pretrain import Pretrainer

SMALL = PretrainConfig(
    shape=ModelShape(hidden=32, layers=2, heads=2, kv_heads=1, intermediate=48, max_positions=256),
    tokens=6_000,
    batch_tokens=1_500,
    micro_batch_tokens=1_500,
    warmup_steps=1,
    save_every=2,
    matmul_precision="float32",
    device="cpu",
    threads=1,
)
FEW = tuple(
    EvalConfig(task=task, problems=4, samples=2, sampling=SamplingConfig(max_tokens=12)) for task in (CountdownTask(), Game24Task())
)


@pytest.fixture(scope="module")
def small_counts() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "Pretrainer", partial(Pretrainer, tokenizer_documents=300))
        patch.setattr(trainer, "CHUNK", 100)
        patch.setattr(pipeline, "EVALUATIONS", FEW)
        patch.setattr(pipeline, "corpus_texts", lambda seed, weights: card.corpus_texts(seed, weights, 200))
        yield


@pytest.fixture(scope="module")
def run(small_counts: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run."""
    out: Path = tmp_path_factory.mktemp("pretrain") / "run"
    assert pipeline.run_pretrain(SMALL, out) == out / "model"
    return out


def test_the_model_folder_is_plain_rounded_and_hashed(run: Path) -> None:
    names = {path.name for path in (run / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "card.json"} <= names
    assert not names & {"trainer", "manifest.json"}
    assert check_hash(run / "model") == read_card(run / "model")["sha256"]
    assert (run / "model" / "model.safetensors").stat().st_mode & 0o777 == 0o644
    final, _ = load_model(str(run / "checkpoints" / "step-000004"))
    rounded, _ = load_model(str(run / "model"))
    assert json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))["dtype"] == "bfloat16"
    for (name, exact), (_, kept) in zip(final.named_parameters(), rounded.named_parameters(), strict=True):
        assert torch.equal(exact.bfloat16().float(), kept), name


def test_the_card_tells_how_the_model_was_made(run: Path) -> None:
    told = read_card(run / "model")
    rows = read_metrics(run)
    model, tokenizer = load_model(str(run / "model"))
    assert PretrainConfig.model_validate(told["recipe"]) == SMALL
    assert told["tokens"] == sum(row["num_tokens"] for row in rows) >= 4 * SMALL.batch_tokens
    assert told["parameters"] == model.num_parameters()
    assert 4 <= told["documents"] < told["tokens"]
    assert told["machine"]["torch"] == torch.__version__
    assert told["held_out_loss"] == pytest.approx(rows[-1]["held_out_loss"], abs=0.02), "only the rounding lies between them"
    for name in ("base_countdown", "base_game24"):
        assert (told[name]["problems"], told[name]["samples_per_problem"], told[name]["max_tokens"]) == (4, 2, 12)
        assert told[name]["interval"][0] <= told[name]["pass_at_1"] <= told[name]["interval"][1]
    texts = card.corpus_texts(SMALL.seed, card_weights(), 200)
    assert told["corpus_sha256"] == card.corpus_hash(texts)
    counted = card.count_documents(texts, lambda text: len(tokenizer(text)["input_ids"]))
    assert card.corpus_facts(counted).items() <= told.items()


def card_weights() -> dict[str, float]:
    return dict(pipeline.DEFAULT_WEIGHTS)


def test_report_and_explain_show_the_card(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = dict(flat_facts(read_card(run / "model")))
    for name in ("sha256", "base_game24.pass_at_1", "reflections_per_document", "reflective_words_per_1000_documents.check"):
        assert name in facts
    monkeypatch.setattr("dunwu.data.tiny_world.card.bundled_path", lambda: run / "model")
    told = "\n".join(lineage("tiny"))
    for words in ("base_countdown: pass_at_1", "reflections_per_1000_tokens: ", "machine: device cpu"):
        assert words in told


def test_a_finished_run_gets_its_model_whole_and_without_training(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_card(run / "model")
    weights = (run / "model" / "model.safetensors").read_bytes()
    shutil.rmtree(run / "model")
    monkeypatch.setattr(Pretrainer, "step", lambda *_: pytest.fail("a finished run is not trained again"))

    def interrupted(*_: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "make_card", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run_pretrain(SMALL, run, resume=True)
    assert not (run / "model").exists()
    (run / "model.tmp").mkdir()
    (run / "model.tmp" / "draft.txt").write_text("mine", encoding="utf-8")

    pipeline.run_pretrain(SMALL, run, resume=True)
    assert (run / "model" / "model.safetensors").read_bytes() == weights
    assert read_card(run / "model") == before
    assert (run / "model.tmp" / "draft.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(RunError, match="--resume"):
        pipeline.run_pretrain(SMALL, run)


def test_a_card_that_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "card.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(pipeline, "pretrain", lambda *_: tmp_path)
    monkeypatch.setattr(pipeline, "make_card", lambda *_: pytest.fail("made again"))
    assert pipeline.run_pretrain(SMALL, tmp_path, resume=True) == tmp_path / "model"


def test_another_machine_is_not_described_as_the_one_that_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"cpu_count": 2, "torch": "2.13.0", "python": "3.11.7", "host": "there"}
    monkeypatch.setattr(pipeline.socket, "gethostname", lambda: "here")
    assert pipeline._machine(environment, "cpu") == {"cores": 2, "torch": "2.13.0", "python": "3.11.7"}
    monkeypatch.setattr(pipeline.socket, "gethostname", lambda: "there")
    assert pipeline._machine(environment, "cpu").keys() == {"device", "processor", "cores", "torch", "python"}


def test_the_recipe_is_the_defaults() -> None:
    assert load_config(PretrainConfig, find_recipe("tiny", "pretrain"), []) == PretrainConfig()
