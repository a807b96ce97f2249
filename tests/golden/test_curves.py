"""Golden curves: 20 steps of each trainer in float32 on a CPU, held to what they were.

A change that moves a curve changes learning. Where that is meant, make the curves again and say so in the commit:
``DUNWU_UPDATE_GOLDEN=1 python -m pytest tests/golden``.

Between processors sums are ordered differently (last bits of every product), and a sampled token may turn over, once in millions.
The point tolerance lets a turned token pass; the bound on the mean residual does not let the whole curve drift.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from dunwu.types import Problem, Reward, Verdict

HERE = Path(__file__).parent
STEPS = 20
Curves = Mapping[str, Sequence[float]]


def digits(problem: Problem, text: str) -> Reward:
    """Share of digits in what was written: a random model has some to be rewarded for."""
    share = sum(character.isdigit() for character in text) / max(1, len(text))
    return Reward(share, {"accuracy": share}, Verdict(share, "wrong"))


def grpo_curves(open_trainer: Callable[..., AbstractContextManager[Any]], config: Any, model: Any, path: Path) -> Curves:
    names = ("reward", "loss", "grad_norm", "entropy", "kl", "completions/mean_length")
    with open_trainer(path, config, model=model, reward=digits) as trainer:
        rows = [trainer.step(step) for step in range(1, STEPS + 1)]
    return {name: [row[name] for row in rows] for name in names}


def golden(name: str, found: Curves) -> Curves:
    """The curves on disk, after making them again where that is asked for."""
    path = HERE / f"{name}.json"
    if os.environ.get("DUNWU_UPDATE_GOLDEN"):
        rounded = {key: [round(value, 6) for value in curve] for key, curve in found.items()}
        path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    held: Curves = json.loads(path.read_text(encoding="utf-8"))
    return held


def compare(held: Curves, found: Curves, point: float, mean: float) -> None:
    """Each value within ``point`` and each curve's mean difference within ``mean``, both relative to the curve's mean size."""
    assert held.keys() == found.keys()
    for key, curve in held.items():
        assert len(curve) == len(found[key]) == STEPS
        size = sum(map(abs, curve)) / STEPS + 1e-3
        differences = [abs(a - b) / size for a, b in zip(curve, found[key], strict=True)]
        worst = max(range(STEPS), key=lambda i: differences[i])
        assert differences[worst] < point, f"{key}, step {worst + 1}: {found[key][worst]:.6f} was {curve[worst]:.6f}"
        assert sum(differences) / STEPS < mean, f"{key}: mean residual {sum(differences) / STEPS:.5f}"


def test_grpo(
    open_trainer: Callable[..., AbstractContextManager[Any]],
    zero_config: Callable[..., Any],
    new_policy: Callable[..., Any],
    tmp_path: Path,
) -> None:
    sizes = ("grpo.prompts_per_step=4", "grpo.group_size=8", "grpo.inner_epochs=2", "grpo.beta=0.02", "grpo.reference_every=8")
    config = zero_config(*sizes, "grpo.learning_rate=5e-3", "seed=11")
    found = grpo_curves(open_trainer, config, new_policy(11), tmp_path / "run")
    compare(golden("grpo", found), found, point=0.05, mean=0.005)


def pretrain_curves(trainer: Any) -> Curves:
    rows = [trainer.step(step) for step in range(1, STEPS + 1)]
    return {name: [row[name] for row in rows] for name in ("loss", "grad_norm", "num_tokens")}


PRETRAIN = (f"tokens={600 * STEPS}", "seed=11", f"sample_every={10 * STEPS}")


def test_pretrain(new_pretrainer: Callable[[Any], Any], pretrain_config: Callable[..., Any]) -> None:
    found = pretrain_curves(new_pretrainer(pretrain_config(*PRETRAIN)))
    compare(golden("pretrain", found), found, point=0.005, mean=0.0005)


def test_a_small_change_is_noticed(new_pretrainer: Callable[[Any], Any], pretrain_config: Callable[..., Any]) -> None:
    """With a learning rate 3 % higher it is another curve."""
    held: Curves = json.loads((HERE / "pretrain.json").read_text(encoding="utf-8"))
    with pytest.raises(AssertionError, match=r"was|mean residual"):
        compare(held, pretrain_curves(new_pretrainer(pretrain_config(*PRETRAIN, "learning_rate=3.09e-3"))), point=0.005, mean=0.0005)
