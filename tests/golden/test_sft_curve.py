"""The golden curve of supervised fine-tuning; how it is held and made again is told in `test_curves`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import encode_rows
from dunwu.models.chat import training_template
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.rows import Row
from dunwu.trainers.sft import SftTrainer
from tests.golden.test_curves import HERE, STEPS, Curves, compare, golden

NAMES = ("loss", "mean_token_accuracy", "entropy", "grad_norm", "learning_rate", "num_tokens")


def talk(number: int) -> Row:
    """One turn or two, with and without reasoning."""
    turns: list[dict[str, str]] = []
    for turn in range(1 + number % 2):
        answer = {"role": "assistant", "content": f"<answer>{number + turn}</answer>"}
        reasoned = {"reasoning_content": f"{number}+{turn}={number + turn}"} if number % 3 else {}
        turns += [{"role": "user", "content": f"What is {number}+{turn}?"}, answer | reasoned]
    return Row({"messages": turns}, "made", number, "unnamed")


def curves(model: Any, tokenizer: Any, **changed: Any) -> Curves:
    settings = {"epochs": 5, "batch_size": 8, "learning_rate": 5e-3, "warmup_steps": 3, "micro_batch_tokens": 150, "sample_every": 10_000}
    fixed = {"data": "made", "matmul_precision": "float32", "device": "cpu", "seed": 11}
    config = SftConfig.model_validate({**settings, **fixed, **changed})
    examples = list(encode_rows([talk(n) for n in range(32)], training_template("tiny", tokenizer), tokenizer))
    trainer = SftTrainer(config, model, tokenizer, TorchEngine(model, tokenizer, native=False), examples)
    assert trainer.steps == STEPS
    rows = [trainer.step(step) for step in range(1, STEPS + 1)]
    return {name: [float(row[name] or 0.0) for row in rows] for name in NAMES}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample after the last step is another test's."""
    monkeypatch.setattr(SftTrainer, "_show", lambda *_: {})


def test_sft(quiet: None, new_policy: Callable[..., Any], world_tokenizer: Any) -> None:
    found = curves(new_policy(11), world_tokenizer)
    compare(golden("sft", found), found, point=0.005, mean=0.0005)


def test_micro_batches_share_the_curve(quiet: None, new_policy: Callable[..., Any], world_tokenizer: Any) -> None:
    held: Curves = json.loads((HERE / "sft.json").read_text(encoding="utf-8"))
    compare(held, curves(new_policy(11), world_tokenizer, micro_batch_tokens=1), point=0.005, mean=0.0005)


def test_a_small_change_is_noticed(quiet: None, new_policy: Callable[..., Any], world_tokenizer: Any) -> None:
    """With a cosine that falls to 0.12 instead of a tenth it is another curve."""
    held: Curves = json.loads((HERE / "sft.json").read_text(encoding="utf-8"))
    with pytest.raises(AssertionError, match=r"was|mean residual"):
        compare(held, curves(new_policy(11), world_tokenizer, final_learning_rate=0.12), point=0.005, mean=0.0005)
