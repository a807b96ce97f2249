"""Trainer state: five steps, save, load in fresh objects and five more equal ten steps, bit for bit."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dunwu.errors import CheckpointError
from dunwu.trainers.state import load_optimizer, load_state, optimizer_tensors, rng_state, save_state, set_rng_state


def build(seed: int, width: int = 8) -> tuple[nn.Module, torch.optim.AdamW]:
    """An MLP with dropout and two parameter groups."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(0.3), nn.Linear(width, 1))
    decay = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))


def train(model: nn.Module, optimizer: torch.optim.AdamW, steps: range) -> None:
    """Draws from all three generators, and changes the learning rate."""
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 / (step + 3)
        inputs = torch.randn(16, 4) + random.gauss(0, 1) + np.random.standard_normal()
        loss = (model(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


@pytest.fixture(autouse=True)
def _generators_as_before():
    tensors, values = rng_state()
    yield
    set_rng_state(tensors, values)


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path):
    seed_all(0)
    whole, whole_optimizer = build(1)
    train(whole, whole_optimizer, range(10))
    ends = torch.rand(3), random.random(), np.random.random()

    seed_all(0)
    model, optimizer = build(1)
    train(model, optimizer, range(5))
    tensors, values = optimizer_tensors(optimizer)
    rng_tensors, rng_values = rng_state()
    weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    save_state(tmp_path, tensors | rng_tensors | weights, {"optimizer": values, "rng": rng_values, "step": 5})

    seed_all(99)
    model, optimizer = build(2)
    loaded, values = load_state(tmp_path)
    assert values["step"] == 5
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in loaded.items() if name.startswith("model.")})
    load_optimizer(optimizer, loaded, values["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 1e-2 / 7
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.95)
    set_rng_state(loaded, values["rng"])
    train(model, optimizer, range(5, 10))

    for one, other in zip(model.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)
    mine, _ = optimizer_tensors(optimizer)
    theirs, _ = optimizer_tensors(whole_optimizer)
    assert mine.keys() == theirs.keys()
    assert len(mine) == 12
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name
        assert tensor.dtype == theirs[name].dtype
    assert torch.equal(torch.rand(3), ends[0])
    assert (random.random(), np.random.random()) == ends[1:]


def test_loaded_tensors_stay_as_they_were_when_training_goes_on(tmp_path: Path):
    model, optimizer = build(1)
    train(model, optimizer, range(2))
    save_state(tmp_path, *optimizer_tensors(optimizer))
    tensors, values = load_state(tmp_path)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    load_optimizer(optimizer, tensors, values)
    train(model, optimizer, range(2, 4))
    assert all(torch.equal(tensors[name], before[name]) for name in before)


def test_an_optimizer_that_has_not_stepped_can_be_saved(tmp_path: Path):
    save_state(tmp_path, *optimizer_tensors(build(1)[1]))
    _, optimizer = build(2)
    load_optimizer(optimizer, *load_state(tmp_path))
    assert optimizer.state_dict()["state"] == {}


def test_state_of_another_model_is_refused():
    model, optimizer = build(1)
    train(model, optimizer, range(1))
    tensors, values = optimizer_tensors(optimizer)
    with pytest.raises(CheckpointError, match=r"exp_avg has shape \(8, 4\), its parameter \(9, 4\)"):
        load_optimizer(build(1, width=9)[1], tensors, values)
    with pytest.raises(CheckpointError, match=r"\[2, 2\] tensors, the model has \[4\]"):
        load_optimizer(torch.optim.AdamW(model.parameters()), tensors, values)


@pytest.mark.parametrize("name", ["trainer/state.safetensors", "trainer/state.json"])
def test_an_unreadable_state_is_named(tmp_path: Path, name: str):
    save_state(tmp_path, {"a": torch.zeros(3)}, {})
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(CheckpointError, match=name):
        load_state(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_state(tmp_path)


def test_views_and_values_survive(tmp_path: Path):
    tensor = torch.arange(6.0).reshape(2, 3).T
    save_state(tmp_path, {"a": tensor, "b": torch.tensor(3, dtype=torch.int64)}, {"best": 0.1 + 0.2, "order": [1, None, "顿"]})
    tensors, values = load_state(tmp_path)
    assert torch.equal(tensors["a"], tensor)
    assert tensors["b"].item() == 3
    assert values == {"best": 0.1 + 0.2, "order": [1, None, "顿"]}
