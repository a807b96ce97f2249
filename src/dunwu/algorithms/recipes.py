"""Algorithms as values: a trainer runs any of them and never asks which it is. Variants are made with `dataclasses.replace`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from torch import Tensor

from dunwu.algorithms.advantages import group_normalised
from dunwu.algorithms.kl import k3
from dunwu.algorithms.reductions import Denominators, sequence_mean_token_mean
from dunwu.algorithms.surrogates import Surrogate, clipped_per_output, clipped_per_token
from dunwu.config.zero import GrpoConfig
from dunwu.errors import ConfigError

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
    """What makes one policy-gradient algorithm: four functions and four numbers.

    ``clip_low`` and ``clip_high`` bound the ratio to ``[1 - clip_low, 1 + clip_high]``; ``beta`` weighs the KL in the loss;
    ``reference_every``: reference := policy every so many steps, counted as `GrpoConfig.steps` are, 0 for never.
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

    def __post_init__(self) -> None:
        assert min(self.clip_low, self.clip_high) > 0, f"clip_low and clip_high must be positive, got {self.clip_low}, {self.clip_high}"
        assert min(self.beta, self.reference_every) >= 0, f"beta {self.beta} and reference_every {self.reference_every} must be >= 0"


GRPO_R1 = Algorithm(
    name="grpo-r1",
    advantage=group_normalised,
    surrogate=clipped_per_token,
    kl=k3,
    reduce=sequence_mean_token_mean,
    clip_low=0.2,
    clip_high=0.2,
    beta=0.001,
    reference_every=400,
)
"""GRPO of DeepSeek-R1 (v1 Eqs. 1-3), ratio per token; beta and the renewal of the reference as in its Methods, clip not stated (ours)."""

GRPO_R1_OUTPUT = replace(GRPO_R1, name="grpo-r1-output", surrogate=clipped_per_output)
"""GRPO of DeepSeek-R1 with Eq. 1 as it is written: the ratio is that of the whole output."""

GRPO_DEEPSEEKMATH = replace(GRPO_R1, name="grpo-deepseekmath", beta=0.04, reference_every=0)
"""GRPO of DeepSeekMath (arXiv 2402.03300, Eq. 3 and section 4.2): outcome supervision, reference kept throughout a round of training."""

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType({value.name: value for value in (GRPO_R1, GRPO_R1_OUTPUT, GRPO_DEEPSEEKMATH)})


def algorithm_named(name: str) -> Algorithm:
    """The algorithm called ``name``. Raises `ConfigError` with the nearest name."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    nearest = difflib.get_close_matches(name, ALGORITHMS, n=1, cutoff=0.0)[0]
    raise ConfigError(f"unknown algorithm {name!r}; did you mean {nearest!r}? Known: {', '.join(ALGORITHMS)}")


def with_config(algorithm: Algorithm, grpo: GrpoConfig) -> Algorithm:
    """``algorithm`` with the clip range, beta and renewal of the reference that the configuration asks for."""
    return replace(algorithm, clip_low=grpo.clip_low, clip_high=grpo.clip_high, beta=grpo.beta, reference_every=grpo.reference_every)


def describe(algorithm: Algorithm) -> str:
    """One line that says what is on, for logs and reports: the advantage, the kind of ratio, the clip, the KL and the reduction."""
    clip = f"[{1 - algorithm.clip_low:g}, {1 + algorithm.clip_high:g}]"
    kl = f"{algorithm.beta:g} * {algorithm.kl.__name__}" if algorithm.beta > 0 else "no KL"
    return (
        f"{algorithm.name}: advantage {algorithm.advantage.__name__}, surrogate {algorithm.surrogate.__name__} in {clip}, "
        f"{kl}, reduced by {algorithm.reduce.__name__}"
    )
