"""bfloat16 matrix multiplications on float32 weights, for machines where they are faster.

Autocast alone is not enough on a CPU: the backward pass of bfloat16 attention is several times slower there than that of float32 attention
(0.8 s against 0.1 s of a step measured on an AMX machine), so attention itself stays in float32. On CUDA it is the other way round: the
kernels that do not keep T x T weights for grouped heads are those in bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from dunwu.errors import ModelError
from dunwu.models.protocols import LanguageModel

Precision = Literal["float32", "bfloat16"]

CAUSAL = "causal_float32"
"""Attention for training: causal, no mask (padding is on the right, where causality hides it); float32 but on CUDA."""


def torch_precision(precision: Precision | Literal["auto"], device: torch.device) -> Precision:
    """The precision in which torch multiplies; ``auto`` is bfloat16 on a CUDA device that has it, else float32."""
    if precision != "auto":
        return precision
    return "bfloat16" if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0) else "float32"


def matmul_precision(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """A context in which linear layers multiply in ``precision``, whatever the one around it says; sums stay float32."""
    outer = torch.is_autocast_enabled(device.type)
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return torch.autocast(device.type, enabled=False) if outer else nullcontext()


@contextmanager
def attention(model: LanguageModel, name: str = CAUSAL) -> Iterator[None]:
    """A context in which ``model`` uses the attention function registered as ``name``; its setting is restored afterwards."""
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def checkpoint_activations(model: LanguageModel) -> None:
    """Keep only the input of each layer for the backward pass, and recompute the rest.

    The recomputation runs outside the `attention` context of the forward pass, so its name is remembered and reused.
    """

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), attention(model, model.config._attn_implementation)

    model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": contexts})


def causal_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention of ``query`` (B, H, T, D) on grouped ``key`` and ``value``; returns (B, T, H, D) in the query's type.

    With ``sliding_window`` a token sees itself and the ``sliding_window - 1`` before it. Raises ``ModelError`` for unsupported kinds.
    """
    for unknown in ("softcap", "s_aux"):
        if others.get(unknown) is not None:
            raise ModelError(f"attention with {unknown} is not supported in training; take a model of the Qwen or Llama family")
    dtype = _attention_dtype(query.device, value.dtype)
    with torch.autocast(query.device.type, enabled=False):
        seen = _window(query.shape[2], sliding_window, query.device)
        mixed = F.scaled_dot_product_attention(
            query.to(dtype), key.to(dtype), value.to(dtype), attn_mask=seen, is_causal=seen is None, scale=scaling, enable_gqa=True
        )
    return mixed.transpose(1, 2).contiguous().to(query.dtype), None


def _attention_dtype(device: torch.device, values: torch.dtype) -> torch.dtype:
    """That of the values on CUDA: under autocast they are bfloat16, but queries and keys float32, as rotation made them."""
    return values if device.type == "cuda" else torch.float32


def _window(length: int, sliding_window: int | None, device: torch.device) -> Tensor | None:
    """Which tokens see which, (T, T); ``None`` if no sequence is longer than the window."""
    if sliding_window is None or length <= sliding_window:
        return None
    places = torch.arange(length, device=device)
    distance = places[:, None] - places
    return (distance >= 0) & (distance < sliding_window)


ALL_ATTENTION_FUNCTIONS.register(CAUSAL, causal_attention)
