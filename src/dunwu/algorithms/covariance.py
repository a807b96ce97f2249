"""Entropy control by covariance: the few tokens that make the entropy fall are held back.

G. Cui et al., "The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models" (arXiv 2505.22617): the change of a softmax
policy's entropy is minus the covariance of log-probability and advantage, and a few thousandths of the tokens carry most of it.

Departure of both controls: covariances are taken from the *behaviour* log-probabilities, over the whole mini-batch, before its first
forward pass; the paper takes the current policy's. So micro-batches cannot change which tokens are chosen, and epochs share one choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

COVARIANCE_RANGE = (1.0, 5.0)
"""Clip-Cov chooses among tokens whose covariance lies in this open interval (the paper's bounds for its 7B model)."""


def covariances(logprobs_N: Tensor, advantages_N: Tensor) -> Tensor:
    """Each token's part in the covariance of log-probability and advantage.

    arXiv 2505.22617 section 4: ``Cov(y_i) = (log pi(y_i) - mean(log pi)) * (A_i - mean(A))``, means over the N tokens of the mini-batch.
    Shapes: ``logprobs_N``, ``advantages_N`` (of each token's rollout) -> ``covariances_N``.
    """
    assert logprobs_N.ndim == 1, f"expected one row of tokens, got {tuple(logprobs_N.shape)}"
    assert logprobs_N.shape == advantages_N.shape, "one advantage per token"
    return (logprobs_N - logprobs_N.mean()) * (advantages_N - advantages_N.mean())


def some_in_range(covariances_N: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Clip-Cov's choice: ``share`` of all tokens (at least one), drawn from those in `COVARIANCE_RANGE`; fewer where fewer lie there."""
    low, high = COVARIANCE_RANGE
    candidates = ((covariances_N > low) & (covariances_N < high)).nonzero()[:, 0]
    order = torch.randperm(len(candidates), generator=generator)
    return _marked(covariances_N, candidates[order[: _count(covariances_N, share)]])


def the_highest(covariances_N: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """KL-Cov's choice: the ``share`` of all tokens (at least one) with the highest covariance."""
    return _marked(covariances_N, covariances_N.topk(_count(covariances_N, share)).indices)


def without_gradient(loss_BT: Tensor, policy_BT: Tensor, old_BT: Tensor, chosen_BT: Tensor, weight: float) -> Tensor:
    """Clip-Cov (arXiv 2505.22617): the loss of chosen tokens is a constant."""
    return torch.where(chosen_BT, loss_BT.detach(), loss_BT)


def with_kl_penalty(loss_BT: Tensor, policy_BT: Tensor, old_BT: Tensor, chosen_BT: Tensor, weight: float) -> Tensor:
    """KL-Cov (arXiv 2505.22617): ``+ weight * |policy_t - old_t|`` on chosen tokens.

    Departure: other tokens keep the algorithm's own clip, which the paper's KL-Cov leaves out (a large clip_high does so here).
    """
    return loss_BT + weight * (policy_BT - old_BT).masked_fill(~chosen_BT, 0.0).abs()


@dataclass(frozen=True, slots=True)
class CovarianceControl:
    """Which tokens are chosen, ``choose(covariances_N, share, generator) -> bool_N``, and what happens to their loss.

    ``change(loss_BT, policy_BT, old_BT, chosen_BT, weight) -> loss_BT``.
    """

    name: str
    choose: Callable[[Tensor, float, torch.Generator], Tensor]
    change: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
    share: float
    weight: float = 0.0


CLIP_COV = CovarianceControl("clip-cov", some_in_range, without_gradient, share=2e-4)
"""Share as in the paper."""
KL_COV = CovarianceControl("kl-cov", the_highest, with_kl_penalty, share=2e-3, weight=1.0)
"""Share (of its 7B model) and weight as in the paper."""

CONTROLS: Mapping[str, CovarianceControl] = MappingProxyType({control.name: control for control in (CLIP_COV, KL_COV)})
"""By the names of `GrpoConfig.covariance_control`."""


def _count(covariances_N: Tensor, share: float) -> int:
    return min(len(covariances_N), max(1, int(share * len(covariances_N))))


def _marked(like_N: Tensor, indices: Tensor) -> Tensor:
    return torch.zeros_like(like_N, dtype=torch.bool).index_fill(0, indices, True)
