"""A loss of the logits over a large vocabulary without its N x V logits, neither forward nor backward.

The loss is a sum over tokens with weights that are known beforehand (masks, global denominators). So a chunk's part of the gradient is
complete as soon as its loss is: it is computed in the forward pass, and the backward pass only scales it. To recompute the logits there,
as `chunked_scores` does, would cost a second pass through the teacher's output layer too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dunwu.models.chunked_scores import add_product, product_dtype

Measure = Callable[[slice, Tensor], Tensor]
"""``(rows, logits_CV) -> values_C`` or ``values_CK``, differentiable in the logits (float32); ``rows`` are the chunk's places in N."""
LOGITS_AT_ONCE = 2**24
"""The most logits in a chunk, 64 MiB in float32: a measure holds about ten such tensors, its gradient included."""
ROWS_AT_ONCE = 256
"""The most positions in a chunk: with a small vocabulary its tensors stay in the cache."""


def logit_loss(head: Any, hidden_ND: Tensor, weights: Tensor, measure: Measure, chunk: int = 0) -> tuple[Tensor, Tensor]:
    """``sum(weights * values)`` with the ``values = measure(logits)``, and the values without gradient.

    ``hidden_ND`` is what the output layer ``head`` reads; ``weights`` ([N], or [N, K] for K values a token) carry no gradient. ``chunk``
    positions are measured at a time (0: as fit ``LOGITS_AT_ONCE`` and ``ROWS_AT_ONCE``). Products are in the weight's type, or in that of
    the surrounding autocast; all sums are at least float32. No gradient is computed under ``no_grad``.
    """
    assert head.bias is None, "an output layer with a bias cannot be measured in chunks"
    assert not weights.requires_grad, "weights must carry no gradient"
    chunk = chunk or max(1, min(ROWS_AT_ONCE, LOGITS_AT_ONCE // len(head.weight)))
    wanted = torch.is_grad_enabled() and (hidden_ND.requires_grad or head.weight.requires_grad)
    found: tuple[Tensor, Tensor] = _WeightedSum.apply(hidden_ND, head.weight, weights, measure, chunk, wanted)  # type: ignore[no-untyped-call]
    return found


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, weights: Tensor, measure: Measure, chunk: int, wanted: bool
    ) -> tuple[Tensor, Tensor]:
        weight = weight_VD.to(product_dtype(weight_VD))
        wide = torch.promote_types(weight.dtype, torch.float32)
        values = torch.zeros(weights.shape, dtype=wide, device=weights.device)
        of_hidden_ND = torch.zeros_like(hidden_ND) if wanted else None
        of_weight_VD = torch.zeros_like(weight_VD, dtype=wide) if wanted and ctx.needs_input_grad[1] else None
        for start in range(0, len(hidden_ND), chunk):
            rows = slice(start, start + chunk)
            hidden = hidden_ND[rows].to(weight.dtype)
            values[rows], of_logits = _measured(measure, rows, (hidden @ weight.T).to(wide), weights[rows], wanted)
            if of_hidden_ND is not None and of_logits is not None:
                of_logits = of_logits.to(weight.dtype)
                of_hidden_ND[rows] = (of_logits @ weight).to(hidden_ND.dtype)
                if of_weight_VD is not None:
                    add_product(of_weight_VD, of_logits.T, hidden)
        ctx.save_for_backward(of_hidden_ND, of_weight_VD)
        ctx.dtype = weight_VD.dtype
        ctx.mark_non_differentiable(values)
        return (values * weights).sum(), values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_loss: Tensor, _of_values: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden_ND, of_weight_VD = ctx.saved_tensors
        of_weight = None if of_weight_VD is None else (of_weight_VD * of_loss).to(ctx.dtype)
        return (of_hidden_ND * of_loss).to(of_hidden_ND.dtype), of_weight, None, None, None, None


def _measured(measure: Measure, rows: slice, logits: Tensor, weights: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
    """The values of a chunk and, if wanted, the gradient of their weighted sum."""
    with torch.set_grad_enabled(wanted):
        values = measure(rows, logits.requires_grad_(wanted))
    assert values.shape == weights.shape, f"values {tuple(values.shape)} and weights {tuple(weights.shape)} differ"
    if not wanted:
        return values, None
    (of_logits,) = torch.autograd.grad(values, logits, weights.to(values.dtype))
    return values.detach(), of_logits
