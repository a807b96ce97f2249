"""Tokens, weights and FLOPs of a stage."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from dunwu.models.bundled import bundled_path
from dunwu.run.directory import read_metrics
from dunwu.run.usage import Usage, count_parameters, training_usage


def test_six_nd_for_training_and_two_nd_for_generation() -> None:
    assert Usage(parameters=10, trained_tokens=3, generated_tokens=5).flops == 6 * 10 * 3 + 2 * 10 * 5
    assert Usage(parameters=10, trained_tokens=3, generated_tokens=5).tokens == 8
    assert Usage().flops == 0


def test_weights_are_counted_from_headers(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(())}, tmp_path / "model-1.safetensors")
    save_file({"c": torch.zeros(5)}, tmp_path / "model-2.safetensors", metadata={"format": "pt"})
    (tmp_path / "trainer").mkdir()
    save_file({"moment": torch.zeros(100)}, tmp_path / "trainer" / "state.safetensors")
    assert count_parameters(tmp_path) == 3 * 4 + 1 + 5
    assert count_parameters(tmp_path / "trainer" / "nowhere") == 0
    assert count_parameters(bundled_path()) == json.loads((bundled_path() / "card.json").read_text(encoding="utf-8"))["parameters"]


def test_the_teachers_flops_are_its_own() -> None:
    used = Usage(parameters=10, trained_tokens=3, teacher_parameters=100, teacher_tokens=7)
    assert used.flops == 6 * 10 * 3
    assert used.teacher_flops == 2 * 100 * 7


def test_steps_by_hand(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "num_tokens": 5, "sampled_tokens": 4}\n{"step": 2}\n{"step": 3, "num_tokens": 7}\n{"st', encoding="utf-8"
    )
    rows = read_metrics(tmp_path)
    assert training_usage("distillation", {}, 10, rows) == Usage(10, 12, 4)
    assert training_usage("zero", {"grpo": {"inner_epochs": 2}}, 10, rows) == Usage(10, 24, 12)


def test_rl_counts_what_it_trains_on_and_what_it_drops() -> None:
    """Six FLOPs a weight for completions that can move the weights, two for all that were sampled and for scores without a gradient."""
    rows = [{"num_tokens": 10, "trained_tokens": 4, "scored_tokens": 8, "sampling/dropped_tokens": 3}, {"num_tokens": 5}]
    used = training_usage("zero", {"grpo": {"inner_epochs": 2}}, 100, rows)
    assert used == Usage(100, 4 + 2 * 5, 10 + 3 + 5, 8)
    assert used.flops == 100 * (6 * 14 + 2 * 18 + 2 * 8)
