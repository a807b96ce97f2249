"""A model in training, in and out of a checkpoint: rounded for whoever uses it, in full for a run that is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dunwu.config.blocks import SavePrecision
from dunwu.models.loading import load_weights_into, save_model, saved_dtype
from dunwu.models.lora import has_adapters

MASTER = "master."
"""Before the names of parameters in the trainer's state."""


def save_weights(model: Any, tokenizer: Any, folder: Path, precision: SavePrecision) -> dict[str, Tensor]:
    """Write the Hugging Face folder, and return what belongs into the trainer's state: the parameters, where the folder has them rounded.

    An adapter is in the folder in full.
    """
    dtype = saved_dtype(model, precision)
    save_model(model, tokenizer, folder, dtype)
    if dtype == model.dtype or has_adapters(model):
        return {}
    return {MASTER + name: parameter for name, parameter in model.named_parameters()}


@torch.no_grad()
def load_weights(model: Any, folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Copy what `save_weights` wrote into the live model; ``tensors`` is the trainer's state."""
    load_weights_into(model, folder)
    for name, parameter in model.named_parameters():
        if MASTER + name in tensors:
            parameter.copy_(tensors[MASTER + name])
