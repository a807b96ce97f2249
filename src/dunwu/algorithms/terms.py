"""The terms of the loss, per token, and their reduction to one number: surrogates, KL estimators, global denominators.

Each reduction divides by counts of the **whole** batch of an optimiser update. So the results of its micro-batches add up to the result
of the batch, however it is split, and their gradients do too.
"""

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
    _check_surrogate(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
    ratio_BT = (policy_BT - old_BT).masked_fill(~mask_BT, 0.0).exp()
    return _clipped(ratio_BT, advantages_BT, mask_BT, clip_low, clip_high)


def clipped_per_output(
    policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float
) -> Surrogate:
    """Negative clipped surrogate with the ratio of the whole output, the equation of DeepSeek-R1 as written.

    DeepSeek-R1 (arXiv 2501.12948v1) Eq. 1, the policy term::

        ratio  = pi(o|q) / pi_old(o|q) = exp(sum over t of (policy_t - old_t))
        loss_t = -min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A)      the same for each token of the output

    Shapes as in `clipped_per_token`. Reduced by `sequence_mean_token_mean`, an output contributes exactly its loss, once.

    Departures: the clip may be asymmetric; per-token advantages (process supervision) are not in Eq. 1 and are averaged by the reduction.
    The ratio of a long output leaves the clip range after very small changes of the policy, and above e^88 it is Inf in float32.
    """
    _check_surrogate(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
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
    _check_surrogate(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
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
    _check_surrogate(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high)
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


def _check_surrogate(policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, clip_low: float, clip_high: float) -> None:
    assert min(clip_low, clip_high) > 0, f"clip_low and clip_high must be positive, got {clip_low} and {clip_high}"
    assert policy_BT.ndim == 2, f"expected log-probabilities [B, T], got {tuple(policy_BT.shape)}"
    assert policy_BT.shape == old_BT.shape == advantages_BT.shape == mask_BT.shape, "policy, old, advantages and mask must have one shape"
    assert not old_BT.requires_grad, "old log-probabilities must carry no gradient"
    assert not advantages_BT.requires_grad, "advantages must carry no gradient"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"


def k3(policy_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """KL divergence from the reference to the policy, per token of the policy: unbiased, never negative, the estimator of the paper.

    DeepSeek-R1 (arXiv 2501.12948v1) Eq. 2; DeepSeekMath (arXiv 2402.03300) Eq. 4::

        k3 = pi_ref/pi - log(pi_ref/pi) - 1

    The name is J. Schulman's, "Approximating KL Divergence" (2020). Shapes: log-probabilities ``policy_BT`` (with gradient) and
    ``reference_BT`` (without) -> ``kl_BT``, 0 where ``mask_BT`` is false.
    Departure: none in value; computed as expm1(d) - d with d = log(pi_ref/pi), which keeps its digits where policy and reference agree.
    """
    log_ratio_BT = -_difference(policy_BT, reference_BT, mask_BT)
    return torch.expm1(log_ratio_BT) - log_ratio_BT


def k2(policy_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """KL as `k3`, biased, never negative: ``k2 = log(pi/pi_ref)^2 / 2``. Its gradient in a loss is that of the KL, in expectation."""
    return _difference(policy_BT, reference_BT, mask_BT).square() / 2


def _difference(policy_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor) -> Tensor:
    assert policy_BT.shape == reference_BT.shape == mask_BT.shape, "policy, reference and mask must have one shape"
    assert not reference_BT.requires_grad, "reference log-probabilities must carry no gradient"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"
    return (policy_BT - reference_BT).masked_fill(~mask_BT, 0.0)


@dataclass(frozen=True, slots=True)
class Denominators:
    """The counts that one optimiser update averages over: all its rollouts and their tokens, over all micro-batches and ranks.

    Rollouts without a forward pass, as their advantage is 0, still count: the paper's mean is over all outputs.
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
