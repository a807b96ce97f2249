"""Algorithms as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from dunwu.algorithms.advantages import (
    batch_normalised,
    group_centred,
    group_centred_batch_normalised,
    group_normalised,
    leave_one_out,
)
from dunwu.algorithms.covariance import CLIP_COV, KL_COV
from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.mismatch import masked_per_output
from dunwu.algorithms.recipes import (
    ALGORITHMS,
    CISPO,
    DAPO,
    DR_GRPO,
    GRPO_CENTRED,
    GRPO_DEEPSEEKMATH,
    GRPO_R1,
    GRPO_R1_OUTPUT,
    GSPO,
    REINFORCE_PP,
    REINFORCE_PP_BASELINE,
    RLOO,
    Algorithm,
    algorithm_named,
    describe,
    with_config,
)
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


def test_the_values_of_r1() -> None:
    for algorithm in (GRPO_R1, GRPO_R1_OUTPUT, GRPO_DEEPSEEKMATH):
        assert (algorithm.advantage, algorithm.kl, algorithm.reduce) == (group_normalised, k3, sequence_mean_token_mean)
    assert GRPO_R1.surrogate is clipped_per_token
    assert GRPO_R1_OUTPUT.surrogate is clipped_per_output
    assert (GRPO_R1.beta, GRPO_R1.reference_every) == (0.001, 400)
    assert GRPO_DEEPSEEKMATH.beta == 0.04


def test_the_family_has_the_papers_parts() -> None:
    assert list(ALGORITHMS) == [
        *("grpo-r1", "grpo-r1-output", "grpo-centred", "grpo-deepseekmath"),
        *("dr-grpo", "dapo", "gspo", "cispo", "rloo", "reinforce++", "reinforce++-baseline"),
    ]
    for name, algorithm in ALGORITHMS.items():
        assert algorithm.name == name
        assert algorithm_named(name) is algorithm
    assert replace(GRPO_CENTRED, name="grpo-r1", advantage=group_normalised) == GRPO_R1
    assert GRPO_CENTRED.advantage is group_centred  # the first half of 2503.20783
    assert (DR_GRPO.advantage, DR_GRPO.reduce, DR_GRPO.beta) == (group_centred, sequence_mean_constant, 0)  # 2503.20783
    assert (DAPO.clip_low, DAPO.clip_high, DAPO.reduce, DAPO.beta) == (0.2, 0.28, token_mean, 0)  # 2503.14476
    assert DAPO.sampling_rounds > 1
    assert (GSPO.surrogate, GSPO.clip_low, GSPO.clip_high) == (clipped_per_sequence, 3e-4, 4e-4)  # 2507.18071
    assert (CISPO.surrogate, CISPO.clip_low, CISPO.reduce) == (clipped_weight, 1.0, token_mean)  # 2506.13585
    assert RLOO.advantage is leave_one_out  # 2402.14740
    assert REINFORCE_PP.advantage is batch_normalised  # 2501.03262
    assert (REINFORCE_PP_BASELINE.advantage, REINFORCE_PP_BASELINE.kl) == (group_centred_batch_normalised, k2)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_every_option_is_off_unless_asked_for(algorithm: Algorithm) -> None:
    assert (algorithm.tis_clip, algorithm.entropy, algorithm.covariance) == (0, None, None)
    assert with_config(algorithm, GrpoConfig()) == algorithm


@pytest.mark.parametrize(("wrong", "right"), [("grpo_r1", "grpo-r1"), ("deepseekmath", "grpo-deepseekmath"), ("", "grpo-r1")])
def test_an_unknown_name_is_refused_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError) as caught:
        algorithm_named(wrong)
    message = str(caught.value)
    assert "\n" not in message
    assert f"unknown algorithm {wrong!r}" in message
    assert right in message


def test_stated_numbers_win_and_the_functions_stay() -> None:
    got = with_config(DAPO, GrpoConfig(clip_low=0.1, beta=0.02, max_sampling_rounds=1))
    assert (got.clip_low, got.clip_high, got.beta, got.reference_every, got.sampling_rounds) == (0.1, 0.28, 0.02, 0, 1)
    assert (got.surrogate, got.reduce) == (DAPO.surrogate, DAPO.reduce)
    assert with_config(GRPO_R1, GrpoConfig(beta=0.0, reference_every=0, clip_high=0.3)) == replace(
        GRPO_R1, beta=0.0, reference_every=0, clip_high=0.3
    )


def test_options_are_taken_from_the_config() -> None:
    grpo = GrpoConfig(tis_clip=2.0, tis_mode="output-mask", entropy_bonus=0.01, entropy_target=0.4, entropy_step=0.002)
    got = with_config(GRPO_R1, grpo)
    assert (got.tis_clip, got.mismatch) == (2.0, masked_per_output)
    assert got.entropy == EntropyBonus(0.01, target=0.4, step=0.002)
    assert with_config(GRPO_R1, GrpoConfig(covariance_control="clip-cov")).covariance == CLIP_COV
    grpo = GrpoConfig(covariance_control="kl-cov", covariance_share=0.01, minibatches=2)
    assert with_config(GRPO_R1, grpo).covariance == replace(KL_COV, share=0.01)


def test_options_of_a_recipe_stay_where_the_configuration_has_none() -> None:
    own = replace(DAPO, tis_clip=3.0, entropy=EntropyBonus(0.2), covariance=KL_COV)
    kept = with_config(own, GrpoConfig())
    assert (kept.tis_clip, kept.mismatch, kept.entropy, kept.covariance) == (3.0, own.mismatch, EntropyBonus(0.2), KL_COV)
    changed = with_config(own, GrpoConfig(tis_clip=2.0, entropy_bonus=0.1))
    assert (changed.tis_clip, changed.entropy, changed.covariance) == (2.0, EntropyBonus(0.1, None, 0.005), KL_COV)


def test_which_rollouts_can_be_left_out() -> None:
    assert DAPO.advantage_is_all
    assert replace(DAPO, covariance=CLIP_COV, tis_clip=2.0).advantage_is_all
    for option in ({"beta": 0.1}, {"entropy": EntropyBonus(0.1)}, {"covariance": KL_COV}):
        assert not replace(DAPO, **option).advantage_is_all


def test_the_default_of_the_config_is_an_algorithm() -> None:
    algorithm_named(GrpoConfig().algorithm)


def test_values_are_frozen_and_checked() -> None:
    with pytest.raises(FrozenInstanceError):
        GRPO_R1.beta = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        ALGORITHMS["mine"] = GRPO_R1  # type: ignore[index]
    with pytest.raises(AssertionError, match="positive"):
        replace(GRPO_R1, clip_low=0.0)
    with pytest.raises(AssertionError, match=">= 0"):
        replace(GRPO_R1, beta=-1.0)


def test_describe_says_what_is_on() -> None:
    assert describe(GRPO_R1) == (
        "grpo-r1: advantage group_normalised, surrogate clipped_per_token in [0.8, 1.2], 0.001 * k3, reduced by sequence_mean_token_mean"
    )
    assert "clipped_per_output" in describe(GRPO_R1_OUTPUT)
    assert "no KL" in describe(replace(GRPO_R1, beta=0.0))
    assert describe(DAPO) == (
        "dapo: advantage group_normalised, surrogate clipped_per_token in [0.8, 1.28], no KL, reduced by token_mean, "
        "groups of equal rewards replaced in up to 10 rounds"
    )
    assert "in [0.9997, 1.0004]" in describe(GSPO)
    assert "in [0, 5]" in describe(CISPO)


def test_describe_says_which_options_are_on() -> None:
    grpo = GrpoConfig(tis_clip=2, entropy_bonus=0.01, entropy_target=0.4, covariance_control="clip-cov", max_sampling_rounds=1)
    assert describe(with_config(DAPO, grpo)).endswith(
        "reduced by token_mean, mismatch truncated_per_token at 2, entropy bonus 0.01 moved towards an entropy of 0.4, "
        "clip-cov on 0.0002 of the tokens"
    )
    assert describe(replace(DAPO, entropy=EntropyBonus(0.01))).endswith("entropy bonus 0.01")


def test_the_config_stays_within_forty_fields() -> None:
    assert len(GrpoConfig.model_fields) <= 40
