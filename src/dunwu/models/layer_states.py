"""What happens inside a model: hidden states of all layers, and queries, keys and values of chosen ones, with gradients.

Attention maps are not returned: `dunwu.algorithms.distillation_layers.relation` computes those of a layer from its queries and keys, so the
model itself runs with fused attention.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from dunwu.errors import ModelError
from dunwu.models.precision import attention, causal_attention
from dunwu.models.protocols import CausalLM

OBSERVED = "observed_causal_float32"


@dataclass(frozen=True, slots=True)
class AttentionStates:
    """What attention reads: ``query_BHTd`` and ``key_BKTd`` after rotation, ``value_BKTd``, for H heads in K groups."""

    query_BHTd: Tensor
    key_BKTd: Tensor
    value_BKTd: Tensor


@dataclass(frozen=True, slots=True)
class LayerStates:
    """``hidden``: L + 1 tensors [B, T, D], the embedding and the output of each layer, the last one after the final norm, as the output
    layer reads it. ``attention``: by the number of the layer, from 1."""

    hidden: tuple[Tensor, ...]
    attention: dict[int, AttentionStates]


@dataclass(frozen=True)
class _Observer:
    layers: Collection[int]
    found: dict[int, AttentionStates] = field(default_factory=dict)


def layer_states(model: CausalLM, ids_BT: Tensor, attention_layers: Collection[int] = ()) -> LayerStates:
    """The states of a forward pass; of attention in ``attention_layers`` only.

    Padding must be on the right, where causality hides it. Raises ``ModelError`` for a layer that the model lacks, or whose attention sees
    a window shorter than T.
    """
    layers = model.config.num_hidden_layers
    if unknown := [layer for layer in attention_layers if not 1 <= layer <= layers]:
        raise ModelError(f"the model has no layer {unknown[0]}; layers are numbered from 1 to {layers}")
    observer = _Observer(attention_layers)
    with attention(model, OBSERVED):
        output = model.model(input_ids=ids_BT, use_cache=False, output_hidden_states=True, observer=observer)
    return LayerStates(output.hidden_states, observer.found)


def observed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    observer: _Observer,
    **others: Any,
) -> tuple[Tensor, None]:
    """`causal_attention` that leaves what it reads with the observer."""
    layer = int(module.layer_idx) + 1  # type: ignore[arg-type]
    if layer in observer.layers:
        if sliding_window is not None and query.shape[2] > sliding_window:
            raise ModelError(f"layer {layer} sees {sliding_window} tokens of {query.shape[2]}; take another layer or shorter texts")
        # Checkpointed activations come here a second time, in the backward pass: the first ones are in the loss.
        observer.found.setdefault(layer, AttentionStates(query, key, value))
    return causal_attention(module, query, key, value, attention_mask, scaling, sliding_window, **others)


ALL_ATTENTION_FUNCTIONS.register(OBSERVED, observed_attention)
