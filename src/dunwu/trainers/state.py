"""The trainer's state on disk without pickle: tensors as safetensors, everything else as JSON.

Saved beside the weights it makes a resumed run bit-equal to an uninterrupted one on a CPU: optimiser moments and step counters,
parameter-group values, and the random number generators of torch, Python and numpy.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dunwu.errors import CheckpointError

TENSORS = "trainer/state.safetensors"
VALUES = "trainer/state.json"


def save_state(folder: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write ``trainer/state.safetensors`` and ``trainer/state.json`` under ``folder``; ``values`` must be JSON-able."""
    (folder / TENSORS).parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / TENSORS)
    (folder / VALUES).write_text(json.dumps(dict(values)), encoding="utf-8")


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_state`` wrote, tensors on the CPU; raises ``CheckpointError`` naming the file that cannot be read."""
    try:
        tensors: dict[str, Tensor] = load_file(folder / TENSORS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"trainer state {folder / TENSORS} cannot be read ({error})") from error
    try:
        values: dict[str, Any] = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"trainer state {folder / VALUES} cannot be read ({error})") from error
    return tensors, values


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State of an AdamW as tensors ``optimizer.<parameter>.<name>`` and values ``{"groups": [...]}``.

    Parameters are counted over all groups in order. Learning rates must be numbers, not tensors.
    """
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            assert isinstance(value, Tensor), f"optimizer state {name} is not a tensor"
            tensors[f"optimizer.{index}.{name}"] = value
    for group in state["param_groups"]:
        assert not isinstance(group["lr"], Tensor), "a learning rate held as a tensor cannot be saved"
    return tensors, {"groups": state["param_groups"]}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Give ``optimizer`` the state that ``optimizer_tensors`` took; raises ``CheckpointError`` when its parameters differ."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    saved, present = ([len(group["params"]) for group in groups] for groups in (values["groups"], optimizer.param_groups))
    if saved != present:
        raise CheckpointError(f"optimizer state is of parameter groups of {saved} tensors, the model has {present}")
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if not key.startswith("optimizer."):
            continue
        _, index, name = key.split(".")
        expected = parameters[int(index)].shape
        if name != "step" and tensor.shape != expected:
            raise CheckpointError(f"optimizer state {key} has shape {tuple(tensor.shape)}, its parameter {tuple(expected)}")
        # Cloned: AdamW updates its state in place, the caller's tensors must stay what was loaded.
        state.setdefault(int(index), {})[name] = tensor.clone()
    groups = [{key: tuple(value) if key == "betas" else value for key, value in group.items()} for group in values["groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def rng_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State of the global generators: torch's (CPU, every CUDA device) as uint8 tensors ``rng.*``, Python's and numpy's as values."""
    tensors = {"rng.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"rng.cuda.{device}": state for device, state in enumerate(torch.cuda.get_rng_state_all())}
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    return tensors, {"python": [version, list(words), gauss], "numpy": [name, [int(key) for key in keys], *rest]}


def set_rng_state(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Set the global generators to what ``rng_state`` took; states of CUDA devices that are not here are passed over."""
    torch.set_rng_state(tensors["rng.cpu"])
    for device in range(torch.cuda.device_count()):
        if (state := tensors.get(f"rng.cuda.{device}")) is not None:
            torch.cuda.set_rng_state(state, device)
    version, words, gauss = values["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = values["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
