"""Policy surrogates: the clipped objective of one token, with the ratio per token, per output or per output and token, or as a weight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The loss of each token (to be minimised, 0 where masked) and where the clip was active.

    There no gradient flows, but for `clipped_weight`, which bounds the gradient instead.
    """

    loss_BT: Tensor
    clipped_BT: Tensor


def clipped_per_token(
    policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float
) -> Surrogate:
    """Negative clipped surrogate with the ratio of each token.

    DeepSeekMath (arXiv 2402.03300) Eq. 3, the policy term::

        ratio_t = exp(policy_t - old_t)
        loss_t  = -min(ratio_t * A_t, clip(ratio_t, 1 - clip_low, 1 + clip_high) * A_t)

    Shapes: log-probabilities ``policy_BT`` (with gradient) and ``old_BT`` (without), ``advantages_BT``, ``mask_BT`` bool (true on tokens of
    the completion). Values under a false mask may be anything finite or not; they get loss 0 and gradient 0.

    Departures: the clip may be asymmetric (the paper's has clip_low = clip_high = epsilon). A ratio above the range of the dtype is Inf.
    DeepSeek-R1 v1 Eq. 1 writes the ratio per output (`clipped_per_output`); every public implementation of it uses this one.
    """
    _check(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
    ratio_BT = (policy_BT - old_BT).masked_fill(~mask_BT, 0.0).exp()
    return _clipped(ratio_BT, advantages_BT, mask_BT, clip_low, clip_high)


def clipped_per_output(
    policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float
) -> Surrogate:
    """Negative clipped surrogate with the ratio of the whole output, the equation of DeepSeek-R1 as it is written.

    DeepSeek-R1 (arXiv 2501.12948v1) Eq. 1, the policy term::

        ratio  = pi(o|q) / pi_old(o|q) = exp(sum over t of (policy_t - old_t))
        loss_t = -min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A)      the same for each token of the output

    Shapes as in `clipped_per_token`. Reduced by `sequence_mean_token_mean`, an output contributes exactly its loss, once.

    Departures: the clip may be asymmetric; per-token advantages (process supervision) are not in Eq. 1 and are averaged by the reduction.
    The ratio of a long output leaves the clip range after very small changes of the policy, and above e^88 it is Inf in float32.
    """
    _check(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
    log_ratio_B1 = (policy_BT - old_BT).masked_fill(~mask_BT, 0.0).sum(dim=1, keepdim=True)
    return _clipped(log_ratio_B1.exp().expand_as(policy_BT), advantages_BT, mask_BT, clip_low, clip_high)


def clipped_per_sequence(
    policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float
) -> Surrogate:
    """Negative clipped surrogate with the length-normalised ratio of the whole output.

    GSPO (arXiv 2507.18071) Eqs. 5 and 7::

        s      = (pi(o|q) / pi_old(o|q))^(1/|o|) = exp(mean over t of (policy_t - old_t))
        loss_t = -min(s * A, clip(s, 1 - clip_low, 1 + clip_high) * A)      the same for each token of the output

    Shapes as in `clipped_per_token`. Reduced by `sequence_mean_token_mean`, an output contributes exactly its loss, once.
    Departures: per-token advantages (GSPO-token, Eq. 13) are averaged by the reduction; an output without tokens has the ratio 1.
    """
    _check(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
    lengths_B1 = mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
    log_ratio_B1 = (policy_BT - old_BT).masked_fill(~mask_BT, 0.0).sum(dim=1, keepdim=True) / lengths_B1
    return _clipped(log_ratio_B1.exp().expand_as(policy_BT), advantages_BT, mask_BT, clip_low, clip_high)


def clipped_weight(
    policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float
) -> Surrogate:
    """REINFORCE with the clipped ratio as a constant weight, so that a clipped token keeps its gradient.

    CISPO (MiniMax-M1, arXiv 2506.13585) Eqs. 4 and 5::

        weight_t = stop_gradient(clip(ratio_t, 1 - clip_low, 1 + clip_high))        ratio_t = exp(policy_t - old_t)
        loss_t   = -weight_t * A_t * policy_t

    Shapes as in `clipped_per_token`; a ``clip_low`` of 1 or more is no lower bound. ``clipped_BT`` is where the weight was bounded.
    Departures: none. The loss holds a log-probability, so its value means little; its gradient is what counts.
    """
    _check(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
    ratio_BT = (policy_BT.detach() - old_BT).masked_fill(~mask_BT, 0.0).exp()
    weight_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    loss_BT = -weight_BT * advantages_BT.masked_fill(~mask_BT, 0.0) * policy_BT.masked_fill(~mask_BT, 0.0)
    return Surrogate(loss_BT=loss_BT, clipped_BT=(weight_BT != ratio_BT) & mask_BT)


def _clipped(ratio_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float) -> Surrogate:
    advantages_BT = advantages_BT.masked_fill(~mask_BT, 0.0)
    objective_BT = torch.minimum(ratio_BT * advantages_BT, ratio_BT.clamp(1 - clip_low, 1 + clip_high) * advantages_BT)
    too_low_BT = (ratio_BT < 1 - clip_low) & (advantages_BT < 0)
    too_high_BT = (ratio_BT > 1 + clip_high) & (advantages_BT > 0)
    return Surrogate(loss_BT=(-objective_BT).masked_fill(~mask_BT, 0.0), clipped_BT=(too_low_BT | too_high_BT) & mask_BT)


def _check(policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float) -> None:
    assert min(clip_low, clip_high) > 0, f"clip_low and clip_high must be positive, got {clip_low} and {clip_high}"
    assert policy_BT.ndim == 2, f"expected log-probabilities [B, T], got {tuple(policy_BT.shape)}"
    assert policy_BT.shape == old_BT.shape == advantages_BT.shape == mask_BT.shape, "policy, old, advantages and mask must have one shape"
    assert not old_BT.requires_grad, "old log-probabilities must carry no gradient"
    assert not advantages_BT.requires_grad, "advantages must carry no gradient"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"
