"""A chat model of one's own, with nothing set but the model and the data: it stays what it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from dunwu.api import Engine
from dunwu.cli.main import main
from dunwu.config.load import read_mapping
from dunwu.config.template import TemplateConfig
from dunwu.models.loading import load_tokenizer, save_model, stop_token_ids
from tests.models.test_fitting_template import CHATML
from tests.models.tokenizers_of_kinds import byte_level

TEXTS = ["What is 2+3?", "The quick brown fox"]
SHORT = ["threads=1", "device=cpu"]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of one layer with the chat template ChatML, which ends a turn with its end token."""
    tokenizer = byte_level()
    tokenizer.eos_token, tokenizer.pad_token, tokenizer.chat_template = "<|im_end|>", "<unk>", CHATML
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, initializer_range=0.3, **size, **ids))
    folder = tmp_path_factory.mktemp("chat") / "model"
    save_model(model, tokenizer, folder)
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = {
        "sft": [{"prompt": f"Say {n}.", "completion": f"{n} it is."} for n in range(8)],
        "zero": [{"problem": f"Say {n}.", "answer": str(n)} for n in range(40)],
        "reward-model": [{"prompt": f"Say {n}.", "chosen": f"{n} it is.", "rejected": "No. " * (n % 3 + 1)} for n in range(40)],
    }
    for name, found in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return folder


def answers(model: str) -> list[str]:
    """The most likely continuations of texts, and the answer to a question."""
    engine = Engine(model, device="cpu")
    asked = [*TEXTS, [{"role": "user", "content": TEXTS[0]}]]
    return [each.text for each in engine.generate(asked, temperature=0.0, top_p=1.0, max_tokens=12)]


FORM = "boxed-or-last-number"
BOUNDED = {
    "sft": ["--data", "epochs=1", "batch_size=4", "sampling.max_tokens=4"],
    "zero": ["--task", "grpo.steps=2", "grpo.prompts_per_step=2", "grpo.group_size=2", "evaluations.0.problems=2"],
    "reward-model": ["--data", "batch_size=8"],
}
CHOSEN = {
    "sft": {"template": "auto", "learning_rate": 1e-5},
    "zero": {"template": TemplateConfig(suffix="answer_form").model_dump(mode="json"), "answer_form": FORM, "sampling": 256},
    "reward-model": {"learning_rate": 1e-5},
}


@pytest.mark.parametrize("command", BOUNDED)
def test_training_leaves_answers_template_and_end_as_they_were(
    command: str, chat: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option, *bounds = BOUNDED[command]
    run = tmp_path / "run"
    assert main([command, "--model", chat, option, str(data / f"{command}.jsonl"), "--out", str(run), *bounds, *SHORT]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    config = read_mapping(run / "config.yaml")
    assert {key: config[key]["max_tokens"] if key == "sampling" else config[key] for key in CHOSEN[command]} == CHOSEN[command]
    rate = 1e-6 if command == "zero" else 1e-5
    assert (config["grpo"] if command == "zero" else config)["learning_rate"] == rate
    assert f"learning rate {rate:g}" in printed
    assert "chosen for this model: " in printed

    [checkpoint] = [folder for folder in (run / "checkpoints").iterdir() if folder.is_dir() and folder.name > "step-000001"]
    saved, base = load_tokenizer(str(checkpoint)), load_tokenizer(chat)
    assert (saved.chat_template, saved.eos_token) == (base.chat_template, base.eos_token) == (CHATML, "<|im_end|>")
    if command == "reward-model":
        return  # it scores instead of answering
    assert answers(str(checkpoint)) == answers(chat)
    model = Engine(str(checkpoint), device="cpu").model
    assert stop_token_ids(saved, model) == (saved.eos_token_id,)


def test_an_evaluation_asks_by_the_chat_template(chat: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", "--model", chat, "--task", str(data / "zero.jsonl"), "--problems", "2", "--samples", "1", "--max-tokens", "4"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--threads", "1", "--device", "cpu"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    sampling = summary["config"]["sampling"]
    assert (summary["template"], sampling["temperature"], sampling["top_p"]) == ({"suffix": "answer_form"}, 0.6, 0.95)
    assert summary["config"]["answer_form"] == FORM
    printed = " ".join(capsys.readouterr().out.split())
    assert 'chosen for this model: template={"suffix": "answer_form"}' in printed
    assert "which this template does not ask" not in printed


def test_without_a_task_another_model_has_countdown_in_full(chat: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zero", "--model", chat, "--dry-run", "sampling.max_tokens=32"]) == 0
    out = capsys.readouterr().out
    assert "wording: full" in out
    assert "wording: short" not in out
    assert "tasks=countdown (" in out
    assert "<answer>(1+2)*3</answer>" in out
