"""The one optimiser step: five steps, save, load in fresh objects and five more equal ten, bit for bit; what is not finite is skipped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from dunwu.errors import CheckpointError, TrainingError
from dunwu.trainers.optimiser import Optimiser, warmup_cosine
from dunwu.trainers.state import load_state, save_state
from tests.recorder import Recorder


def build(seed: int, width: int = 8, **options: float) -> tuple[nn.Module, Optimiser]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.LayerNorm(width), nn.Linear(width, 1))
    return model, Optimiser(model, learning_rate=1e-2, **{"weight_decay": 0.1, **options})


def train(model: nn.Module, optimiser: Optimiser, steps: range) -> None:
    for step in steps:
        optimiser.learning_rate = 1e-2 / (step + 3)
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        (model(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean().backward()
        norm, moved = optimiser.update()
        assert moved
        assert norm > 0


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    whole, its_optimiser = build(1)
    train(whole, its_optimiser, range(10))
    model, optimiser = build(1)
    train(model, optimiser, range(5))
    tensors, values = optimiser.state()
    save_state(tmp_path, tensors | {f"model.{name}": tensor for name, tensor in model.state_dict().items()}, values)

    model, optimiser = build(2)
    loaded, values = load_state(tmp_path)
    before = {name: tensor.clone() for name, tensor in loaded.items()}
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in loaded.items() if name.startswith("model.")})
    optimiser.load(loaded, values)
    assert optimiser.learning_rate == 1e-2 / 7
    train(model, optimiser, range(5, 10))
    assert all(map(torch.equal, model.parameters(), whole.parameters()))
    mine, theirs = optimiser.state()[0], its_optimiser.state()[0]
    assert mine.keys() == theirs.keys()
    assert "optimizer.0.weight.exp_avg" in mine, "by the parameter's name"
    assert len(mine) == 3 * len(list(model.parameters()))
    assert all(torch.equal(tensor, theirs[name]) and tensor.dtype == theirs[name].dtype for name, tensor in mine.items())
    assert all(torch.equal(loaded[name], before[name]) for name in before), "what was loaded stays as it was"


def test_an_optimiser_that_has_not_stepped_can_be_saved(tmp_path: Path) -> None:
    save_state(tmp_path, *build(1)[1].state())
    optimiser = build(2)[1]
    optimiser.load(*load_state(tmp_path))
    assert optimiser.state()[0] == {}


def test_state_of_another_model_is_refused() -> None:
    model, optimiser = build(1)
    train(model, optimiser, range(1))
    with pytest.raises(CheckpointError, match=r"exp_avg has shape \(8, 4\), its parameter \(9, 4\)"):
        build(1, width=9)[1].load(*optimiser.state())
    with pytest.raises(CheckpointError, match=r"optimizer\.0\.weight"):
        Optimiser(model[0], learning_rate=1.0).load(*optimiser.state())


def test_weight_decay_is_on_matrices_alone() -> None:
    model, optimiser = build(1, weight_decay=0.5)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.update()
    for name, parameter in model.named_parameters():
        factor = 1 - 1e-2 * 0.5 if parameter.ndim == 2 else 1.0
        torch.testing.assert_close(parameter.detach(), factor * before[name], atol=0, rtol=1e-6)


def test_the_gradient_is_clipped_to_the_greatest_norm() -> None:
    """Of Adam's first step the size does not depend on the gradient's; its second moment does: (1 - 0.95) * g ** 2."""
    model, optimiser = build(1, max_grad_norm=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    count = sum(parameter.numel() for parameter in model.parameters())
    norm, _ = optimiser.update()
    assert norm == pytest.approx(math.sqrt(count))
    (moment,) = {round(value, 9) for value in optimiser.state()[0]["optimizer.0.weight.exp_avg_sq"].flatten().tolist()}
    assert moment == pytest.approx(0.05 * 0.25 / count, rel=1e-3)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_changes_no_bit_and_ends_the_run(what: str, recorder: Recorder) -> None:
    model, optimiser = build(1, max_nonfinite_in_a_row=2)
    train(model, optimiser, range(2))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    moments = {name: tensor.clone() for name, tensor in optimiser.state()[0].items()}
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, math.nan if what == "gradient" else 1.0)
    _, moved = optimiser.update(finite=what != "loss")
    assert not moved
    assert all(map(torch.equal, model.parameters(), before))
    assert all(torch.equal(tensor, moments[name]) for name, tensor in optimiser.state()[0].items())
    assert all(parameter.grad is None for parameter in model.parameters())
    optimiser.count_skipped(3, 1, "rows 1, 2", "lower it", recorder)
    assert ["rows 1, 2" in text for text in recorder.of("warn")] == [True]
    optimiser.count_skipped(4, 0, "", "lower it")
    optimiser.count_skipped(5, 1, "", "lower it")
    with pytest.raises(TrainingError, match="2 steps in a row were not finite: lower it"):
        optimiser.count_skipped(6, 3, "", "lower it")


def test_warm_up_and_cosine_by_hand() -> None:
    rates = [warmup_cosine(step, 10, 2, 4.0, lambda cosine: 1.0 + 3.0 * cosine) for step in (1, 2, 6, 10)]
    assert rates == pytest.approx([2.0, 4.0, 2.5, 1.0])
