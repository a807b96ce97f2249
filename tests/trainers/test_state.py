"""Trainer state on disk: what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dunwu.errors import CheckpointError
from dunwu.trainers.state import load_state, save_state


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
