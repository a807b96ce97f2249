"""bfloat16 matrix multiplications on float32 weights, where the machine is faster at them.

Autocast alone is not enough on a CPU: the backward pass of bfloat16 attention is several times slower there than that of float32 attention
(0.8 s against 0.1 s of a step measured on an AMX machine), so attention itself stays in float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

Precision = Literal["float32", "bfloat16"]

ATTENTION = "causal_float32"


def matmul_precision(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """A context in which linear layers multiply in ``precision``; everything that sums stays float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def use_causal_attention(model: PreTrainedModel) -> None:
    """Attention for training: causal, float32, no mask (padding stands on the right, where causality hides it)."""
    model.set_attn_implementation(ATTENTION)


def causal_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention of ``query`` (B, H, T, D) on grouped ``key`` and ``value``; returns (B, T, H, D) in the query's type."""
    with torch.autocast(query.device.type, enabled=False):
        mixed = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), is_causal=True, scale=scaling, enable_gqa=True)
    return mixed.transpose(1, 2).contiguous().to(query.dtype), None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, causal_attention)
