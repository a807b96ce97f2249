"""An algorithm as a value, and the GRPO loss of one micro-batch under it. A trainer runs any algorithm and never asks which it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dunwu.algorithms.covariance import CovarianceControl
from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.mismatch import MismatchFunction, truncated_per_token
from dunwu.algorithms.terms import Denominators, Surrogate, token_mean

AdvantageFunction = Callable[[Tensor, Tensor], Tensor]
"""``(rewards_PG, valid_PG) -> advantages_PG``"""
SurrogateFunction = Callable[[Tensor, Tensor, Tensor, Tensor, float, float], Surrogate]
"""``(policy_BT, old_BT, advantages_BT, mask_BT, clip_low, clip_high) -> Surrogate``"""
KlFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``(policy_BT, reference_BT, mask_BT) -> kl_BT``"""
ReduceFunction = Callable[[Tensor, Tensor, Denominators], Tensor]
"""``(values_BT, mask_BT, denominators) -> scalar``"""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What makes one policy-gradient algorithm: four functions, five numbers, and options that are off by default.

    ``clip_low`` and ``clip_high`` bound the ratio to ``[1 - clip_low, 1 + clip_high]``; ``beta`` weighs the KL in the loss;
    ``reference_every``: reference := policy every so many steps, counted as `GrpoConfig.steps` are, 0 for never;
    ``sampling_rounds``: how often a step may sample to replace groups of equal rewards, 1 for never.
    Options: ``tis_clip`` bounds the weights that ``mismatch`` gives, 0 for none; ``entropy`` adds a bonus for it; ``covariance`` holds
    tokens back.
    """

    name: str
    advantage: AdvantageFunction
    surrogate: SurrogateFunction
    kl: KlFunction
    reduce: ReduceFunction
    clip_low: float
    clip_high: float
    beta: float
    reference_every: int
    sampling_rounds: int = 1
    mismatch: MismatchFunction = truncated_per_token
    tis_clip: float = 0.0
    entropy: EntropyBonus | None = None
    covariance: CovarianceControl | None = None

    def __post_init__(self) -> None:
        assert min(self.clip_low, self.clip_high) > 0, f"clip_low and clip_high must be positive, got {self.clip_low}, {self.clip_high}"
        assert min(self.beta, self.reference_every) >= 0, f"beta {self.beta} and reference_every {self.reference_every} must be >= 0"
        assert self.sampling_rounds >= 1, f"sampling_rounds must be at least 1, got {self.sampling_rounds}"
        assert self.tis_clip >= 0, f"tis_clip must be >= 0, got {self.tis_clip}"

    @property
    def advantage_is_all(self) -> bool:
        """Whether a rollout with advantage 0 has no gradient at all, so that it needs no forward pass."""
        penalised = self.covariance is not None and self.covariance.weight > 0
        return self.beta == 0 and self.entropy is None and not penalised


@dataclass(frozen=True, slots=True)
class GrpoBatch:
    """Rollouts of one micro-batch, padded to T tokens of completion.

    ``mask_BT`` is true on the tokens that the policy drew (the stop token included). ``old_logprobs_BT`` is ``None`` when each rollout is
    used for one update only: then old = policy, and the ratio is 1. ``reference_logprobs_BT`` is ``None`` when beta is 0.
    ``advantages_BT`` holds the advantage of each token. What an option needs is ``None`` where that option is off:
    ``behaviour_logprobs_BT`` (the engine's) for the mismatch, ``entropies_BT`` (with gradient) for the entropy bonus, ``chosen_BT`` (bool)
    for the covariance control.
    """

    policy_logprobs_BT: Tensor
    old_logprobs_BT: Tensor | None
    reference_logprobs_BT: Tensor | None
    advantages_BT: Tensor
    mask_BT: Tensor
    behaviour_logprobs_BT: Tensor | None = None
    entropies_BT: Tensor | None = None
    chosen_BT: Tensor | None = None


@dataclass(frozen=True, slots=True)
class GrpoLoss:
    """The loss of a micro-batch and its metrics. All of them add up over the micro-batches of an update; divide the sums at the end.

    ``loss`` carries the gradient; ``policy_loss`` and ``kl_loss`` (KL reduced like the loss, before beta) are its parts, without gradient.
    ``kl_sum``, ``ratio_sum`` and ``weight_sum`` (of the mismatch) are sums over tokens, ``clipped`` and ``tokens`` counts of tokens,
    ``rollouts`` of rows.
    """

    loss: Tensor
    policy_loss: Tensor
    kl_loss: Tensor
    kl_sum: Tensor
    ratio_sum: Tensor
    weight_sum: Tensor
    clipped: Tensor
    tokens: Tensor
    rollouts: int


def grpo_loss(algorithm: Algorithm, batch: GrpoBatch, denominators: Denominators) -> GrpoLoss:
    """Loss to be minimised: reduced surrogate plus beta times reduced KL, less the entropy bonus.

    DeepSeek-R1 (arXiv 2501.12948v1) Eq. 1, DeepSeekMath (arXiv 2402.03300) Eq. 3, with the sign turned, and the options of `Algorithm`::

        loss = reduce(weight * surrogate) + beta * reduce(kl) - entropy.weight * token_mean(entropy)

    Shapes: see `GrpoBatch`; ``denominators`` belong to the whole update, so the losses of its micro-batches sum to its loss.
    Departures: those of the parts (`terms`, `mismatch`, `covariance`). The KL stands inside the per-token mean, as
    in DeepSeekMath. The entropy is a mean over tokens whatever ``reduce`` is, so that its target and its weight mean the same everywhere.
    """
    policy_BT, mask_BT = batch.policy_logprobs_BT, batch.mask_BT
    old_BT = policy_BT.detach() if batch.old_logprobs_BT is None else batch.old_logprobs_BT
    surrogate = algorithm.surrogate(policy_BT, old_BT, batch.advantages_BT, mask_BT, algorithm.clip_low, algorithm.clip_high)
    loss_BT, weights_BT = surrogate.loss_BT, _mismatch_weights(algorithm, batch, old_BT)
    if algorithm.covariance is not None:
        assert batch.chosen_BT is not None, f"{algorithm.covariance.name} is on: chosen tokens are needed"
        loss_BT = algorithm.covariance.change(loss_BT, policy_BT, old_BT, batch.chosen_BT, algorithm.covariance.weight)
    policy_loss = algorithm.reduce(weights_BT * loss_BT, mask_BT, denominators)
    kl_BT = _kl(algorithm, batch)
    kl_loss = algorithm.reduce(kl_BT, mask_BT, denominators)
    loss = policy_loss + algorithm.beta * kl_loss if algorithm.beta > 0 else policy_loss
    if algorithm.entropy is not None and algorithm.entropy.weight > 0:
        assert batch.entropies_BT is not None, f"the entropy bonus is {algorithm.entropy.weight}: entropies are needed"
        loss = loss - algorithm.entropy.weight * token_mean(batch.entropies_BT, mask_BT, denominators)
    return GrpoLoss(
        loss=loss,
        policy_loss=policy_loss.detach(),
        kl_loss=kl_loss.detach(),
        kl_sum=kl_BT.detach().sum(),
        ratio_sum=(policy_BT.detach() - old_BT).exp().masked_fill(~mask_BT, 0.0).sum(),
        weight_sum=weights_BT.masked_fill(~mask_BT, 0.0).sum(),
        clipped=surrogate.clipped_BT.sum(),
        tokens=mask_BT.sum(),
        rollouts=mask_BT.shape[0],
    )


def _mismatch_weights(algorithm: Algorithm, batch: GrpoBatch, old_BT: Tensor) -> Tensor:
    if algorithm.tis_clip == 0:
        return torch.ones_like(old_BT)
    assert batch.behaviour_logprobs_BT is not None, f"tis_clip is {algorithm.tis_clip}: behaviour log-probabilities are needed"
    return algorithm.mismatch(old_BT, batch.behaviour_logprobs_BT, batch.mask_BT, algorithm.tis_clip)


def _kl(algorithm: Algorithm, batch: GrpoBatch) -> Tensor:
    assert algorithm.beta == 0 or batch.reference_logprobs_BT is not None, (
        f"beta is {algorithm.beta}: reference log-probabilities are needed"
    )
    if batch.reference_logprobs_BT is None:
        return torch.zeros_like(batch.policy_logprobs_BT)
    return algorithm.kl(batch.policy_logprobs_BT, batch.reference_logprobs_BT, batch.mask_BT)
