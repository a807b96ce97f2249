"""A rounded copy of the policy for generation on a GPU: half the bytes to read, fewer and larger products.

It stays at the same addresses, which CUDA graphs need, and is refreshed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from dunwu.rollout.torch_engine.weights import Affine, DecoderWeights, LayerWeights, tensors


class RolloutCopy:
    """``weights`` are those of a model in ``dtype``, once ``refresh`` has copied them."""

    def __init__(self, live: DecoderWeights, dtype: torch.dtype) -> None:
        self.weights: DecoderWeights = replace(_room(live, dtype), layers=tuple(_layer(layer, dtype) for layer in live.layers))
        if live.head[0] is live.embedding:
            self.weights = replace(self.weights, head=(self.weights.embedding, self.weights.head[1]))

    def refresh(self, live: DecoderWeights) -> None:
        """Round the current weights of the model into this copy."""
        for own, current in zip(tensors(self.weights), tensors(live), strict=True):
            own.copy_(current)


def _layer(layer: LayerWeights, dtype: torch.dtype) -> LayerWeights:
    qkv, (q, k, v) = _joined((layer.q, layer.k, layer.v), dtype)
    gate_up, (gate, up) = _joined((layer.gate, layer.up), dtype)
    made: LayerWeights = replace(_room(layer, dtype), q=q, k=k, v=v, qkv=qkv, gate=gate, up=up, gate_up=gate_up)
    return made


def _joined(parts: Sequence[Affine], dtype: torch.dtype) -> tuple[Affine, list[Affine]]:
    """Room for some maps of the same input in one matrix, and the maps as views of it. All have a bias, or none has."""
    rows = [len(weight) for weight, _ in parts]
    weight, bias = (None if one is None else one.new_empty((sum(rows), *one.shape[1:]), dtype=dtype) for one in parts[0])
    assert weight is not None, "a map has a weight"
    biases = [None] * len(rows) if bias is None else torch.split(bias, rows)
    return (weight, bias), list(zip(torch.split(weight, rows), biases, strict=True))


def _room(like: Any, dtype: torch.dtype) -> Any:
    """The same dataclass with room in ``dtype`` for its tensors and those of its tuples."""

    def made(value: Any) -> Any:
        if isinstance(value, Tensor):
            return torch.empty_like(value, dtype=dtype, requires_grad=False)
        return tuple(map(made, value)) if isinstance(value, tuple) else value

    return replace(like, **{field.name: made(getattr(like, field.name)) for field in fields(like)})
