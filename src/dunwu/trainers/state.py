"""A model in training and its trainer's state on disk, without pickle: tensors as safetensors, everything else as JSON.

The weights are a Hugging Face folder, in the saved precision. The state beside it has them in full, so that a resumed run is bit-equal
to an uninterrupted one on a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dunwu.config.blocks import SavePrecision
from dunwu.errors import CheckpointError
from dunwu.models.loading import load_weights_into, save_model, saved_dtype
from dunwu.models.lora import has_adapters
from dunwu.models.protocols import LanguageModel, Tokenizer

TENSORS = "trainer/state.safetensors"
VALUES = "trainer/state.json"
MASTER = "master."
"""Before the names of parameters in the trainer's state."""


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


def save_weights(model: LanguageModel, tokenizer: Tokenizer, folder: Path, precision: SavePrecision) -> dict[str, Tensor]:
    """Write the Hugging Face folder, and return what the trainer's state must hold: the parameters, where the folder has them rounded.

    The folder has an adapter in full.
    """
    dtype = saved_dtype(model, precision)
    save_model(model, tokenizer, folder, dtype)
    if dtype == model.dtype or has_adapters(model):
        return {}
    return {MASTER + name: parameter for name, parameter in model.named_parameters()}


@torch.no_grad()
def load_weights(model: LanguageModel, folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy what `save_weights` wrote into the live model; ``tensors`` is the trainer's state."""
    load_weights_into(model, folder)
    for name, parameter in model.named_parameters():
        if MASTER + name in tensors:
            parameter.copy_(tensors[MASTER + name])
