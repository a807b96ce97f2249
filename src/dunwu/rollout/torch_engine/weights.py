"""A view of a Hugging Face decoder's live parameters, layer by layer; refuses decoders that the engine would compute wrongly.

Nothing is copied: the tensors are the model's own parameters, so an optimiser's in-place update takes effect at the next token. Only maps
with a LoRA adapter are merged into a new matrix, for every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from dunwu.errors import ModelError
from dunwu.models.lora import effective_weight, is_adapted
from dunwu.models.protocols import CausalLM

MODEL_TYPES = ("qwen2", "qwen3", "llama")
# Rotary tables of these types do not depend on the sequence length, so one table is enough.
ROPE_TYPES = ("default", "linear", "llama3", "yarn")

Affine = tuple[Tensor, Tensor | None]
"""Weight (out, in) and bias (out) of a linear map, in the order of ``torch.nn.functional.linear``."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One decoder layer. ``q_norm`` and ``k_norm`` are Qwen3's norms over the head dimension.

    ``qkv`` and ``gate_up`` are q, k, v and gate, up in one matrix, where they have been joined so that one product does for them.
    """

    attention_norm: Tensor
    q: Affine
    k: Affine
    v: Affine
    o: Affine
    q_norm: Tensor | None
    k_norm: Tensor | None
    mlp_norm: Tensor
    gate: Affine
    up: Affine
    down: Affine
    activation: Callable[[Tensor], Tensor]
    qkv: Affine | None = None
    gate_up: Affine | None = None


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """A whole decoder, and the constants of its forward pass."""

    embedding: Tensor
    layers: tuple[LayerWeights, ...]
    norm: Tensor
    head: Affine
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    scale: float


def check_supported(model: CausalLM) -> None:
    """Raise ``ModelError`` unless the built-in engine computes this model exactly."""
    config = model.config
    if config.model_type not in MODEL_TYPES:
        raise ModelError(f"model_type {config.model_type!r} is not known to the built-in engine; use one of {', '.join(MODEL_TYPES)}")
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise ModelError(f"sliding-window attention ({config.sliding_window} tokens) is not supported; set use_sliding_window to false")
    rope_type = model.model.rotary_emb.rope_type
    if rope_type not in ROPE_TYPES:
        raise ModelError(f"rope type {rope_type!r} is not supported by the built-in engine; use one of {', '.join(ROPE_TYPES)}")
    for name, module in model.named_modules():
        if name.endswith(("_proj", "lm_head")) and type(module) is not nn.Linear and not is_adapted(module):
            raise ModelError(f"{name} is a {type(module).__name__}, not a plain linear map; merge adapters and load unquantised weights")


def decoder_weights(model: CausalLM) -> DecoderWeights:
    """View ``model`` (a supported causal language model) as its parameters."""
    attention = model.model.layers[0].self_attn
    config = model.config
    return DecoderWeights(
        embedding=model.model.embed_tokens.weight,
        layers=tuple(_layer(layer) for layer in model.model.layers),
        norm=model.model.norm.weight,
        head=_affine(model.lm_head),
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=attention.head_dim,
        eps=config.rms_norm_eps,
        scale=attention.scaling,
    )


def tensors(weights: DecoderWeights) -> Iterator[Tensor]:
    """All of them in a fixed order; a tied head is the embedding. Joined matrices are the memory of their parts."""
    yield from (weights.embedding, weights.norm)
    for layer in weights.layers:
        affines = layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down
        norms = layer.attention_norm, layer.q_norm, layer.k_norm, layer.mlp_norm
        yield from (tensor for tensor in (*norms, *chain(*affines)) if tensor is not None)
    yield from (tensor for tensor in weights.head if tensor is not None and tensor is not weights.embedding)


def rope_table(model: CausalLM, length: int, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
    """Cosines and sines (length, head_dim) of the model's own rotary module, which handles scaled variants, in ``dtype`` or the model's."""
    weight = model.model.embed_tokens.weight
    positions = torch.arange(length, device=weight.device)[None]
    cos, sin = model.model.rotary_emb(weight, positions)
    return cos[0].to(dtype or cos.dtype), sin[0].to(dtype or sin.dtype)


def _layer(layer: Any) -> LayerWeights:
    attention, mlp = layer.self_attn, layer.mlp
    has_norms = hasattr(attention, "q_norm")
    return LayerWeights(
        attention_norm=layer.input_layernorm.weight,
        q=_affine(attention.q_proj),
        k=_affine(attention.k_proj),
        v=_affine(attention.v_proj),
        o=_affine(attention.o_proj),
        q_norm=attention.q_norm.weight if has_norms else None,
        k_norm=attention.k_norm.weight if has_norms else None,
        mlp_norm=layer.post_attention_layernorm.weight,
        gate=_affine(mlp.gate_proj),
        up=_affine(mlp.up_proj),
        down=_affine(mlp.down_proj),
        activation=mlp.act_fn,
    )


def _affine(linear: Any) -> Affine:
    return (effective_weight(linear) if is_adapted(linear) else linear.weight), linear.bias
