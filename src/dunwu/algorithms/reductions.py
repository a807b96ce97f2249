"""Reductions of per-token values to one number, with global denominators.

Each reduction divides by counts of the **whole** batch of an optimiser update. So the results of its micro-batches add up to the result
of the batch, however it is split, and their gradients do too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Denominators:
    """What one optimiser update averages over: all its rollouts and their tokens, over all micro-batches and ranks.

    Rollouts left out of the forward pass because their advantage is 0 still count: the paper's mean is over all outputs.
    ``max_tokens`` is the longest completion that sampling allows, a constant of the run.
    """

    rollouts: int
    tokens: int
    max_tokens: int

    def __post_init__(self) -> None:
        assert min(self.rollouts, self.tokens, self.max_tokens) > 0, f"denominators must be positive, got {self}"


def denominators_of(mask_BT: Tensor) -> Denominators:
    """The denominators of a batch that is not split: its rows, its true mask entries (at least 1), and its width as the limit."""
    return Denominators(rollouts=mask_BT.shape[0], tokens=max(1, int(mask_BT.sum())), max_tokens=mask_BT.shape[1])


def sequence_mean_token_mean(values_BT: Tensor, mask_BT: Tensor, denominators: Denominators) -> Tensor:
    """Mean over the tokens of each output, then over outputs.

    DeepSeekMath (arXiv 2402.03300) Eq. 3: ``1/G sum_i 1/|o_i| sum_t v_i,t``, G being all rollouts of the update.
    Shapes: ``values_BT``, ``mask_BT`` bool -> scalar. Departure: an output without tokens contributes 0.
    """
    _check(values_BT, mask_BT)
    lengths_B = mask_BT.sum(dim=1).clamp(min=1)
    return (values_BT.masked_fill(~mask_BT, 0.0).sum(dim=1) / lengths_B).sum() / denominators.rollouts


def token_mean(values_BT: Tensor, mask_BT: Tensor, denominators: Denominators) -> Tensor:
    """Mean over all tokens of the update, so that long outputs weigh more.

    DAPO (arXiv 2503.14476) section 3.3: ``1/(sum_i |o_i|) sum_i sum_t v_i,t``. Shapes: ``values_BT``, ``mask_BT`` bool -> scalar.
    """
    _check(values_BT, mask_BT)
    return values_BT.masked_fill(~mask_BT, 0.0).sum() / denominators.tokens


def sequence_mean_constant(values_BT: Tensor, mask_BT: Tensor, denominators: Denominators) -> Tensor:
    """Sum over the tokens of each output divided by a constant, mean over outputs: no output's length enters its own weight.

    Dr. GRPO (arXiv 2503.20783) section 3.2: ``1/G sum_i sum_t v_i,t``. Shapes: ``values_BT``, ``mask_BT`` bool -> scalar.
    Departure: the equation has no constant; the authors' code divides by the longest completion that sampling allows, which keeps the size
    of a mean, and so do we (``denominators.max_tokens``). Changing the limit changes the loss and its gradient in proportion.
    """
    _check(values_BT, mask_BT)
    return values_BT.masked_fill(~mask_BT, 0.0).sum() / (denominators.rollouts * denominators.max_tokens)


def _check(values_BT: Tensor, mask_BT: Tensor) -> None:
    assert values_BT.ndim == 2, f"expected values [B, T], got {tuple(values_BT.shape)}"
    assert values_BT.shape == mask_BT.shape, f"values {tuple(values_BT.shape)} and mask {tuple(mask_BT.shape)} differ"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"
