"""The algorithms of the papers, as values (`dunwu.algorithms.loss.Algorithm`). Variants are made with `dataclasses.replace`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from dunwu.algorithms.advantages import (
    batch_normalised,
    group_centred,
    group_centred_batch_normalised,
    group_normalised,
    leave_one_out,
)
from dunwu.algorithms.covariance import CONTROLS, CovarianceControl
from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.loss import Algorithm
from dunwu.algorithms.mismatch import CORRECTIONS
from dunwu.algorithms.terms import (
    clipped_per_output,
    clipped_per_sequence,
    clipped_per_token,
    clipped_weight,
    k2,
    k3,
    sequence_mean_constant,
    sequence_mean_token_mean,
    token_mean,
)
from dunwu.config.zero import GrpoConfig
from dunwu.errors import ConfigError

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
"""GRPO of DeepSeek-R1 with Eq. 1 as written: the ratio is that of the whole output."""

GRPO_CENTRED = replace(GRPO_R1, name="grpo-centred", advantage=group_centred)
"""GRPO of DeepSeek-R1 without the division by the group's std, the first half of Dr. GRPO (arXiv 2503.20783): for rewards of a model, which
differ a little in every group. Divided by their std, such differences would count as much as right and wrong."""

GRPO_DEEPSEEKMATH = replace(GRPO_R1, name="grpo-deepseekmath", beta=0.04, reference_every=0)
"""GRPO of DeepSeekMath (arXiv 2402.03300, Eq. 3 and section 4.2): outcome supervision, reference kept throughout a round of training."""

DR_GRPO = replace(GRPO_R1, name="dr-grpo", advantage=group_centred, reduce=sequence_mean_constant, beta=0.0, reference_every=0)
"""Dr. GRPO, "GRPO done right" (arXiv 2503.20783): no division by the group's std, none by the output's length, no KL."""

DAPO = replace(GRPO_R1, name="dapo", reduce=token_mean, clip_high=0.28, beta=0.0, reference_every=0, sampling_rounds=10)
"""DAPO (arXiv 2503.14476): clip-higher (section 3.1), dynamic sampling (3.2), mean over tokens (3.3), no KL (2.3).

Departures: the paper samples until the batch is full, ours at most ten times, then takes what there is; a group is replaced
when all its *rewards* are equal, format and overlong parts included, where the paper looks at accuracy. Soft overlong punishment (3.4) is a
part of the reward: `ZeroConfig.overlong_tokens`.
"""

GSPO = replace(GRPO_R1, name="gspo", surrogate=clipped_per_sequence, clip_low=3e-4, clip_high=4e-4, beta=0.0, reference_every=0)
"""GSPO (arXiv 2507.18071, Eqs. 5-7; clip as in section 5.1): the length-normalised ratio of the output, no KL, as in its equations."""

CISPO = replace(
    GRPO_R1, name="cispo", surrogate=clipped_weight, reduce=token_mean, clip_low=1.0, clip_high=4.0, beta=0.0, reference_every=0
)
"""CISPO (MiniMax-M1, arXiv 2506.13585, Eqs. 4-5): clipped weights instead of clipped gradients, mean over tokens, no KL, no lower bound.

The upper bound is not stated there; ours is a weight of at most 5, as public code has it after ScaleRL (arXiv 2510.13786).
"""

RLOO = replace(GRPO_R1, name="rloo", advantage=leave_one_out, surrogate=clipped_per_output, beta=0.0, reference_every=0)
"""RLOO (arXiv 2402.14740): REINFORCE on whole outputs with the other rollouts of the group as baseline.

With one update a batch the ratio is 1, and the gradient is the paper's: the mean of ``A_i * grad log pi(o_i|q)``.
Departures: reused rollouts are weighed by the ratio of the output and clipped, where the paper has one update; its KL penalty stands in the
reward, ours, where beta is set, in the loss.
"""

REINFORCE_PP = replace(GRPO_R1, name="reinforce++", advantage=batch_normalised, reduce=token_mean, beta=0.0, reference_every=0)
"""REINFORCE++ (arXiv 2501.03262): one scale for the whole batch, PPO's clip.

Departures: no KL penalty in the reward (see `batch_normalised`); the paper's objective averages over an output's tokens, ours over all.
"""

REINFORCE_PP_BASELINE = replace(REINFORCE_PP, name="reinforce++-baseline", advantage=group_centred_batch_normalised, kl=k2)
"""REINFORCE++ with the group's mean as baseline. Where beta is set, the KL is k2 in the loss, as in the paper."""

_ALL = (GRPO_R1, GRPO_R1_OUTPUT, GRPO_CENTRED, GRPO_DEEPSEEKMATH, DR_GRPO, DAPO, GSPO, CISPO, RLOO, REINFORCE_PP, REINFORCE_PP_BASELINE)
ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType({value.name: value for value in _ALL})


def algorithm_named(name: str) -> Algorithm:
    """The algorithm called ``name``. Raises `ConfigError` with the nearest name."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    nearest = difflib.get_close_matches(name, ALGORITHMS, n=1, cutoff=0.0)[0]
    raise ConfigError(f"unknown algorithm {name!r}; did you mean {nearest!r}? Known: {', '.join(ALGORITHMS)}")


def with_config(algorithm: Algorithm, grpo: GrpoConfig) -> Algorithm:
    """``algorithm`` with what the configuration states, and its own numbers and options where the configuration has none."""
    stated: dict[str, Any] = {
        "clip_low": grpo.clip_low,
        "clip_high": grpo.clip_high,
        "beta": grpo.beta,
        "reference_every": grpo.reference_every,
        "sampling_rounds": grpo.max_sampling_rounds,
        "mismatch": CORRECTIONS[grpo.tis_mode] if grpo.tis_clip else None,
        "tis_clip": grpo.tis_clip or None,
        "entropy": EntropyBonus(grpo.entropy_bonus, grpo.entropy_target, grpo.entropy_step) if grpo.entropy_bonus else None,
        "covariance": _covariance(grpo),
    }
    return replace(algorithm, **{name: value for name, value in stated.items() if value is not None})


def describe(algorithm: Algorithm) -> str:
    """One line for logs and reports: advantage, kind of ratio, clip, KL, reduction, options."""
    clip = f"[{max(0.0, 1 - algorithm.clip_low):g}, {1 + algorithm.clip_high:g}]"
    kl = f"{algorithm.beta:g} * {algorithm.kl.__name__}" if algorithm.beta > 0 else "no KL"
    parts = [
        f"advantage {algorithm.advantage.__name__}",
        f"surrogate {algorithm.surrogate.__name__} in {clip}",
        kl,
        f"reduced by {algorithm.reduce.__name__}",
        *_options(algorithm),
    ]
    return f"{algorithm.name}: {', '.join(parts)}"


def _options(algorithm: Algorithm) -> Iterator[str]:
    if algorithm.sampling_rounds > 1:
        yield f"groups of equal rewards replaced in up to {algorithm.sampling_rounds} rounds"
    if algorithm.tis_clip > 0:
        yield f"mismatch {algorithm.mismatch.__name__} at {algorithm.tis_clip:g}"
    if algorithm.entropy is not None:
        target = "" if algorithm.entropy.target is None else f" moved towards an entropy of {algorithm.entropy.target:g}"
        yield f"entropy bonus {algorithm.entropy.coefficient:g}{target}"
    if algorithm.covariance is not None:
        yield f"{algorithm.covariance.name} on {algorithm.covariance.share:g} of the tokens"


def _covariance(grpo: GrpoConfig) -> CovarianceControl | None:
    if grpo.covariance_control is None:
        return None
    control = CONTROLS[grpo.covariance_control]
    return control if grpo.covariance_share is None else replace(control, share=grpo.covariance_share)
