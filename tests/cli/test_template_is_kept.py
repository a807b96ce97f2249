"""What a model was taught with is what it is prompted with afterwards, by the commands that are printed and by default."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import get_args

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from dunwu.cli.main import main
from dunwu.cli.zero_command import next_commands
from dunwu.config.load import load_config
from dunwu.config.template import PromptName, TrainingName
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import NAMES, make_prompts
from dunwu.models.chat import Message, training_template
from dunwu.models.loading import load_model, save_model
from dunwu.types import Problem
from tests.models.tokenizers_of_kinds import byte_level

MARKERS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
TAUGHT = get_args(TrainingName)
OWN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}"
)
SIZE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
FAST = ["--threads", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random model whose tokenizer has the tokens of every template, and a chat template of its own."""
    tokenizer = byte_level("<s>")
    tokenizer.add_special_tokens({"extra_special_tokens": [*MARKERS, "<｜User｜>", "<｜Assistant｜>"]})
    tokenizer.chat_template = OWN
    ids = {"eos_token_id": 2, "pad_token_id": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **SIZE, **ids))
    folder = tmp_path_factory.mktemp("base")
    save_model(model, tokenizer, folder)
    return str(folder)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "sft.jsonl").write_text('{"prompt": "Say 1.", "completion": "1"}\n' * 2, encoding="utf-8")
    (folder / "test.jsonl").write_text('{"problem": "Say 1.", "answer": "1"}\n', encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "template", [each if each in ("tiny", "auto", "chatml") else pytest.param(each, marks=pytest.mark.slow) for each in TAUGHT]
)
def test_an_evaluation_prompts_as_the_model_was_taught(
    template: str, base: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = tmp_path / "run", str(rows / "sft.jsonl")
    drawn = ["sampling.max_tokens=4", "sampling.temperature=0.6", "sampling.top_p=0.95"]
    sizes = [*drawn, "epochs=1", "batch_size=2", "threads=1", "device=cpu"]
    assert main(["sft", "--model", base, "--data", data, "--out", str(run), f"template={template}", *sizes]) == 0
    zero, evaluation = printed(capsys.readouterr().out)
    checkpoint = run / "checkpoints" / "step-000001"
    asked = [Message("user", "Say 1.")]
    expected = training_template(template, load_model(base)[1]).prompt(asked)

    assert evaluation[:3] == ["eval", "--model", str(checkpoint)]
    commands = (evaluation, *(["eval", "--model", str(model), "--max-tokens", "4"] for model in (checkpoint, run)))
    for number, command in enumerate(commands):
        out = tmp_path / str(number)
        assert main([*command, "--task", str(rows / "test.jsonl"), "--samples", "1", "--out", str(out), *FAST]) == 0
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        assert summary["template"] == template
        [prompt] = make_prompts([Problem("p", "t", "Say 1.", "number")], template, load_model(str(checkpoint))[1], 1000)
        assert prompt.text == expected
    assert summary["config"]["sampling"]["temperature"] == 0.6
    first = json.loads((tmp_path / "0" / "summary.json").read_text(encoding="utf-8"))["config"]["sampling"]
    assert (first["temperature"], first["top_p"], first["max_tokens"]) == (0.6, 0.95, 4)

    assert zero[:3] == ["zero", "--model", str(checkpoint)]
    for arguments in (zero, zero[:3], ["zero", "--model", str(run)]):
        capsys.readouterr()
        assert main([*arguments, "--dry-run"]) == 0
        assert f"\ntemplate: {template}\n" in capsys.readouterr().out


def printed(out: str) -> list[list[str]]:
    """The commands that a run ends with."""
    lines = out[out.index("  next steps  ") :].splitlines()[:2]
    return [shlex.split(line.removeprefix("  next steps  "))[1:] for line in lines]


def test_a_recipe_of_the_users_own_is_followed_and_the_difference_told(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = shutil.copytree(base, tmp_path / "run" / "checkpoints" / "step-000001")
    (tmp_path / "run" / "config.yaml").write_text("template: auto\n", encoding="utf-8")
    recipe = tmp_path / "own.yaml"
    for own, told in (("r1-zero", True), ("chat", False)):  # chat is auto by its other name
        recipe.write_text(f"template: {own}\n", encoding="utf-8")
        assert main(["zero", "--recipe", str(recipe), "--model", str(step), "--dry-run"]) == 0
        out = capsys.readouterr().out
        assert f"\ntemplate: {own}\n" in out
        assert ("was trained with 'auto'" in out) == told


def test_the_commands_after_reinforcement_learning_keep_template_and_sampling() -> None:
    sampling = "sampling: {max_tokens: 9, temperature: 0.6, top_p: 0.95}"
    config = load_config(ZeroConfig, None, ["grpo.steps=7", "template=r1-zero", f"evaluations=[{{{sampling}}}]"], {})
    first = next_commands(config, Path("run"))[0]
    assert first.endswith("--max-tokens 9 --template r1-zero sampling.temperature=0.6 sampling.top_p=0.95")


def test_configurations_name_every_template_that_prompts() -> None:
    assert set(get_args(PromptName)) == set(NAMES) >= set(TAUGHT)
