"""Log-probabilities and entropies over a large vocabulary without its N x V logits, neither forward nor backward.

With logits ``z = h W^T / temperature``, ``p = softmax(z)`` and entropy ``H = -sum_v p_v log p_v``, for the token y that is scored::

    d log p_y / d z_v = [v = y] - p_v                 d H / d z_v = -p_v (log p_v + H)

So the gradient needs only ``log sum_v exp z_v`` and ``H`` of each position from the forward pass. The backward pass recomputes the logits
chunk by chunk and turns them into their gradient in place: it holds two chunks in float32, however long the batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def score_in_chunks(
    head: Any, hidden_ND: Tensor, targets_N: Tensor, temperature: float, entropy_gradient: bool, chunk: int
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (N) of ``targets_N`` after ``hidden_ND``, ``chunk`` positions at a time.

    Products are in the weight's type, or in that of the surrounding autocast; all sums are float32.
    """
    assert head.bias is None, "an output layer with a bias cannot be scored in chunks"
    settings = Settings(product_dtype(head.weight), temperature, entropy_gradient, chunk)
    found: tuple[Tensor, Tensor] = _Scores.apply(hidden_ND, head.weight, targets_N, settings)  # type: ignore[no-untyped-call]
    return found


@dataclass(frozen=True)
class Settings:
    """Type of the products, and the caller's settings."""

    dtype: torch.dtype
    temperature: float
    entropy_gradient: bool
    chunk: int


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
        logprobs_N, entropies_N, normalisers_N = torch.empty(3, len(targets_N), device=hidden_ND.device)
        for rows, logits, spare in _logits(hidden_ND, weight_VD.to(settings.dtype), settings):
            largest = logits.amax(dim=-1, keepdim=True)
            logits -= largest
            powers = torch.exp(logits, out=spare)
            total = powers.sum(dim=-1)
            logprobs_N[rows] = logits.gather(-1, targets_N[rows, None])[:, 0] - total.log()
            entropies_N[rows] = total.log() - powers.mul_(logits).sum(dim=-1) / total
            normalisers_N[rows] = largest[:, 0] + total.log()
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N, entropies_N, normalisers_N)
        ctx.settings = settings
        if not settings.entropy_gradient:
            ctx.mark_non_differentiable(entropies_N)
        return logprobs_N, entropies_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_logprobs_N: Tensor, of_entropies_N: Tensor) -> tuple[Tensor | None, ...]:
        hidden_ND, weight_VD, targets_N, entropies_N, normalisers_N = ctx.saved_tensors
        weight = weight_VD.to(ctx.settings.dtype)
        of_hidden_ND = torch.empty_like(hidden_ND)
        of_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for rows, logits, spare in _logits(hidden_ND, weight, ctx.settings):
            logits -= normalisers_N[rows, None]  # log p
            factors = of_logprobs_N[rows, None]
            if ctx.settings.entropy_gradient:
                factors = torch.add(logits, entropies_N[rows, None], out=spare).mul_(of_entropies_N[rows, None]).add_(factors)
            of_logits = logits.exp_().mul_(factors).neg_().scatter_add_(-1, targets_N[rows, None], of_logprobs_N[rows, None])
            of_logits = of_logits.div_(ctx.settings.temperature).to(weight.dtype)
            of_hidden_ND[rows] = (of_logits @ weight).to(hidden_ND.dtype)
            if of_weight_VD is not None:
                add_product(of_weight_VD, of_logits.T, hidden_ND[rows].to(weight.dtype))
        return of_hidden_ND, None if of_weight_VD is None else of_weight_VD.to(weight_VD.dtype), None, None


def _logits(hidden_ND: Tensor, weight_VD: Tensor, settings: Settings) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, their logits at the temperature in float32, and a spare buffer of the same size; both are reused for the next rows."""
    memory = torch.empty(2, settings.chunk, len(weight_VD), device=hidden_ND.device)
    for start in range(0, len(hidden_ND), settings.chunk):
        rows = slice(start, start + settings.chunk)
        hidden = hidden_ND[rows].to(weight_VD.dtype)
        logits, spare = memory[:, : len(hidden)]
        if weight_VD.dtype == logits.dtype:
            torch.mm(hidden, weight_VD.T, out=logits)
        else:
            logits.copy_(hidden @ weight_VD.T)
        yield rows, logits.div_(settings.temperature), spare


def product_dtype(weight: Tensor) -> torch.dtype:
    """The type of products with ``weight``: its own, or that of the surrounding autocast."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left @ right``, without a copy if the types are the same."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total.add_(left @ right)
