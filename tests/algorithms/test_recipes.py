"""Algorithms as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from dunwu.algorithms.advantages import group_normalised
from dunwu.algorithms.kl import k3
from dunwu.algorithms.recipes import ALGORITHMS, GRPO_DEEPSEEKMATH, GRPO_R1, GRPO_R1_OUTPUT, algorithm_named, describe, with_config
from dunwu.algorithms.reductions import sequence_mean_token_mean
from dunwu.algorithms.surrogates import clipped_per_output, clipped_per_token
from dunwu.config.zero import GrpoConfig
from dunwu.errors import ConfigError


def test_the_three_values() -> None:
    assert set(ALGORITHMS) == {"grpo-r1", "grpo-r1-output", "grpo-deepseekmath"}
    for name, algorithm in ALGORITHMS.items():
        assert algorithm.name == name
        assert algorithm_named(name) is algorithm
        assert (algorithm.advantage, algorithm.kl, algorithm.reduce) == (group_normalised, k3, sequence_mean_token_mean)
    assert GRPO_R1.surrogate is clipped_per_token
    assert GRPO_R1_OUTPUT.surrogate is clipped_per_output
    assert (GRPO_R1.beta, GRPO_R1.reference_every) == (0.001, 400)
    assert GRPO_DEEPSEEKMATH.beta == 0.04


@pytest.mark.parametrize(("wrong", "right"), [("grpo_r1", "grpo-r1"), ("deepseekmath", "grpo-deepseekmath"), ("", "grpo-r1")])
def test_an_unknown_name_is_refused_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError) as caught:
        algorithm_named(wrong)
    message = str(caught.value)
    assert "\n" not in message
    assert f"unknown algorithm {wrong!r}" in message
    assert right in message


def test_with_config_takes_the_numbers_and_keeps_the_functions() -> None:
    grpo = GrpoConfig(clip_low=0.1, clip_high=0.3, beta=0.02, reference_every=7)
    got = with_config(GRPO_R1_OUTPUT, grpo)
    assert got == replace(GRPO_R1_OUTPUT, clip_low=0.1, clip_high=0.3, beta=0.02, reference_every=7)
    assert got.surrogate is clipped_per_output


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


def test_describe_says_which_ratio_is_on() -> None:
    assert describe(GRPO_R1) == (
        "grpo-r1: advantage group_normalised, surrogate clipped_per_token in [0.8, 1.2], 0.001 * k3, reduced by sequence_mean_token_mean"
    )
    assert "clipped_per_output" in describe(GRPO_R1_OUTPUT)
    assert "no KL" in describe(replace(GRPO_R1, beta=0.0))
