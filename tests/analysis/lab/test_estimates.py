"""Means over problems, and the slope of a fitted line."""

import numpy as np
import pytest

from dunwu.analysis.lab.estimates import mean_of, share_of, slope_of


def test_the_mean_is_over_problems_with_students_interval(chain):
    chains = [chain(problem=problem, tokens=tokens) for problem, tokens in (("a", 2), ("a", 4), ("b", 5), ("c", 7))]
    found = mean_of(chains, lambda each: each.tokens)
    # the problems' means are 3, 5 and 7: mean 5, standard deviation 2, t(2) = 4.302653
    assert found["value"] == 5
    assert found["interval"] == pytest.approx([5 - 4.302653 * 2 / 3**0.5, 5 + 4.302653 * 2 / 3**0.5], abs=1e-5)
    assert found["problems"] == 3


def test_chains_to_which_a_value_does_not_apply_are_left_out(chain):
    chains = [chain(problem="a", right=None), chain(problem="b", right=1)]
    found = share_of(chains, lambda each: each.right)
    assert found["value"] == 1
    assert found["problems"] == 1
    assert mean_of(chains, lambda each: None) is None


def test_one_problem_gives_no_interval_of_a_mean(chain):
    assert mean_of([chain()], lambda each: each.tokens) == {"value": 10, "interval": None, "problems": 1}


def test_the_slope_is_that_of_least_squares():
    found = slope_of([0, 1, 2, 3], [1, 2, 2, 5])  # Sxy = 6, Sxx = 5; the means are 1.5 and 2.5
    assert found["slope"] == pytest.approx(1.2)
    assert found["intercept"] == pytest.approx(0.7)
    low, high = found["interval"]
    assert low < 1.2 < high


def test_a_perfect_line_has_a_slope_without_doubt():
    found = slope_of([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
    assert found["interval"] == pytest.approx([2, 2])


@pytest.mark.parametrize("x", [[1, 2], [3, 3, 3]])
def test_too_few_pairs_or_a_constant_x_have_no_slope(x):
    assert slope_of(x, x) is None


def test_a_problem_is_drawn_with_all_its_pairs():
    # the pairs of a problem are alike: four copies of each of five problems tell no more than the five
    x, y, names = [0, 1, 2, 3, 4], [1.0, 3.0, 2.0, 5.0, 4.0], list("abcde")
    once, clustered = slope_of(x, y), slope_of(x * 4, y * 4, problems=names * 4)
    assert clustered["slope"] == pytest.approx(once["slope"])
    assert clustered["interval"] == pytest.approx(once["interval"])
    assert clustered["problems"] == 5
    independent = slope_of(x * 4, y * 4)
    assert np.ptp(independent["interval"]) < 0.7 * np.ptp(clustered["interval"])


def test_a_slope_needs_three_problems():
    assert slope_of([0, 1, 2, 3], [1, 2, 2, 5], problems=["a", "a", "b", "b"]) is None


def test_resamples_with_a_constant_fractional_x_are_left_out():
    # thrice 0.7 has the mean 0.7 - 1e-16, so that its variance is not 0: such a resample would have any slope
    found = slope_of([0.7, 0.7, 0.1], [1.0, 9.0, 2.0])
    assert [abs(end) < 20 for end in found["interval"]] == [True, True]
    assert slope_of([0.1, 0.1, 0.1], [1.0, 9.0, 2.0]) is None


def test_the_interval_of_a_slope_is_the_same_each_time():
    assert slope_of([0, 1, 2, 3], [1, 2, 2, 5]) == slope_of([0, 1, 2, 3], [1, 2, 2, 5])
