"""Intervals of means: Clopper and Pearson's for shares of 0 and 1; they cover for few problems, near 0 and 1, and for clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dunwu.evaluation.intervals import mean_interval, t_factor


@pytest.mark.parametrize(
    ("right", "problems", "low", "high"),
    [(0, 50, 0.0, 1 - 0.025 ** (1 / 50)), (50, 50, 0.025 ** (1 / 50), 1.0), (3, 10, 0.0667395, 0.6524529), (1, 5, 0.0050508, 0.7164179)],
)
def test_shares_of_0_and_1_have_the_bounds_of_clopper_and_pearson(right, problems, low, high):
    assert mean_interval([1.0] * right + [0.0] * (problems - right)) == pytest.approx((low, high), abs=1e-6)


def test_one_problem_and_a_mirror_image():
    assert mean_interval([0.5]) == pytest.approx((0.0125, 0.9875), abs=1e-6)
    shares = [0.0, 0.25, 0.25, 1.0, 0.5]
    low, high = mean_interval(shares)
    assert mean_interval([1 - share for share in shares]) == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_students_factor():
    expected = {1: 12.7062, 2: 4.3027, 4: 2.7764, 10: 2.2281, 30: 2.0423, 1000: 1.9623}
    assert {freedom: round(t_factor(freedom), 4) for freedom in expected} == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("problems", [5, 7, 10, 20, 50, 100])
def test_it_covers_with_one_sample_of_each_problem(problems):
    """Exactly: the sum of the chances of the counts whose interval has p in it."""
    intervals = [mean_interval([1.0] * n + [0.0] * (problems - n)) for n in range(problems + 1)]
    for p in (0.02, 0.1, 0.5, 0.9, 0.98):
        chances = [math.comb(problems, n) * p**n * (1 - p) ** (problems - n) for n in range(problems + 1)]
        assert sum(chance for chance, (low, high) in zip(chances, intervals, strict=True) if low <= p <= high) >= 0.94


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("p", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("problems", [5, 30, pytest.param(100, marks=pytest.mark.slow)])
def test_it_covers_with_several_samples_of_problems_that_differ(problems, p, alike):
    """Of each problem 16 samples, whose correlation within it is ``alike`` (beta-binomial counts)."""
    generator, runs = np.random.default_rng(0), 400
    spread = (1 - alike) / alike if alike else 0.0
    chances = generator.beta(p * spread, (1 - p) * spread, (runs, problems)) if alike else np.full((runs, problems), p)
    counts = [tuple(row) for row in np.sort(generator.binomial(16, chances), axis=1).tolist()]
    found = {row: mean_interval([count / 16 for count in row]) for row in set(counts)}
    covered = sum(found[row][0] <= p <= found[row][1] for row in counts) / runs
    assert covered >= 0.94
