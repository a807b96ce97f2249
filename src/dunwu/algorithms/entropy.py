"""Entropy of the policy per token, for metrics, and an entropy bonus. R1's loss has no entropy term."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

ROWS_AT_ONCE = 2048
"""Rows of logits worked on together: bounds the extra memory to about two float32 tensors of ``ROWS_AT_ONCE * V``."""


@torch.no_grad()
def token_entropy(logits_BTV: Tensor, rows_at_once: int = ROWS_AT_ONCE) -> Tensor:
    """Entropy in nats of the distribution at each position: ``H = -sum_v p_v log p_v`` with ``p = softmax(logits)``.

    Shapes: ``logits_BTV`` (or any leading shape) -> ``entropy_BT`` in float32 (float64 for float64 logits). A logit of -inf is a token of
    probability 0 and contributes 0. No gradient: this is a metric. Divide the logits by the temperature first where the sampled
    distribution is meant.
    """
    assert logits_BTV.ndim >= 2, f"expected logits [..., V], got {tuple(logits_BTV.shape)}"
    assert rows_at_once > 0, f"rows_at_once must be positive, got {rows_at_once}"
    dtype = torch.float64 if logits_BTV.dtype == torch.float64 else torch.float32
    logits_NV = logits_BTV.reshape(-1, logits_BTV.shape[-1])
    entropy_N = torch.empty(logits_NV.shape[0], dtype=dtype, device=logits_BTV.device)
    for start in range(0, logits_NV.shape[0], rows_at_once):
        rows = slice(start, start + rows_at_once)
        entropy_N[rows] = torch.special.entr(torch.softmax(logits_NV[rows].to(dtype), dim=-1)).sum(dim=-1)
    return entropy_N.view(logits_BTV.shape[:-1])


@dataclass(frozen=True, slots=True)
class EntropyBonus:
    """An entropy term in the loss whose coefficient moves so that the entropy stays near a target.

    Skywork-OR1 (arXiv 2505.22312), adaptive entropy control::

        c_{k+1} = c_k + step * sign(target - entropy_k)
        the loss has -c_k * entropy where entropy_k is at most the target, else nothing

    ``coefficient`` is c; ``target`` in nats a token, ``None`` for a coefficient that stays; ``last`` is the entropy of the step before.
    Departures: whether the bonus is on is decided by the step before, whose entropy is known without another forward pass; c is never
    below 0.
    """

    coefficient: float
    target: float | None = None
    step: float = 0.0
    last: float | None = None

    def __post_init__(self) -> None:
        assert min(self.coefficient, self.step) >= 0, f"coefficient {self.coefficient} and step {self.step} must be >= 0"

    @property
    def weight(self) -> float:
        """The coefficient in use: 0 while the entropy is above its target."""
        above = self.target is not None and self.last is not None and self.last > self.target
        return 0.0 if above else self.coefficient

    def after(self, entropy: float) -> EntropyBonus:
        """The bonus of the next step, when this one's tokens had the mean ``entropy``."""
        if self.target is None:
            return self
        moved = self.coefficient + self.step * ((entropy < self.target) - (entropy > self.target))
        return replace(self, coefficient=max(0.0, moved), last=entropy)
