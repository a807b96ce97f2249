"""Metrics against hand-computed values."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.evaluation.metrics import finite_or_none, majority_at_k, pass_at_1, pass_at_k, pass_interval, ranks, spearman

CORRECT = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=1, max_size=12)


def test_pass_at_1_is_the_mean_over_problems_of_the_mean_over_samples():
    assert pass_at_1([[1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]]) == pytest.approx((0.5 + 1 + 0) / 3)


def test_pass_at_1_weighs_problems_equally_whatever_their_sample_counts():
    # open-r1 #655: a problem sampled 64 times must not outweigh one sampled once
    assert pass_at_1([[0] * 64, [1]]) == 0.5
    assert pass_at_1([[1], [], [0]]) == 0.5


@given(CORRECT, st.integers(2, 5))
def test_pass_at_1_does_not_depend_on_the_sample_count(correct, times):
    assert pass_at_1([samples * times for samples in correct]) == pytest.approx(pass_at_1(correct), abs=1e-12)


def test_nothing_measured_is_nan_and_not_zero():
    assert math.isnan(pass_at_1([]))
    assert math.isnan(pass_at_k([[]], 1))
    assert math.isnan(majority_at_k([[]], [[]]))
    assert all(math.isnan(end) for end in pass_interval([[], []]))


def test_pass_at_k_is_the_codex_estimator():
    # n=4, c=1: k=2 -> 1 - C(3,2)/C(4,2) = 1/2; n=4, c=3: k=2 -> 1 - C(1,2)/C(4,2) = 1
    assert pass_at_k([[1, 0, 0, 0]], 2) == pytest.approx(0.5)
    assert pass_at_k([[1, 0, 0, 0], [1, 1, 1, 0]], 2) == pytest.approx(0.75)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=7), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_success(samples, data):
    k = data.draw(st.integers(1, len(samples)))
    subsets = list(combinations(samples, k))
    assert pass_at_k([samples], k) == pytest.approx(sum(any(subset) for subset in subsets) / len(subsets))


@given(CORRECT)
def test_pass_at_k_of_1_is_pass_at_1(correct):
    assert pass_at_k(correct, 1) == pytest.approx(pass_at_1(correct))


def test_pass_at_k_of_a_problem_with_fewer_samples_uses_what_it_has():
    assert pass_at_k([[0, 1, 0]], 16) == 1.0
    assert pass_at_k([[0, 0, 0]], 16) == 0.0
    with pytest.raises(ValueError, match="k of pass@k is 0"):
        pass_at_k([[1]], 0)


def test_majority_takes_the_most_frequent_answer():
    assert majority_at_k([["a", "b", "b", "c"]], [[1, 0, 0, 1]]) == 0.0
    assert majority_at_k([["a", "b", "b", "c"]], [[0, 1, 1, 0]]) == 1.0


def test_a_tie_goes_to_the_answer_that_came_first():
    assert majority_at_k([["a", "b", "b", "a"]], [[1, 0, 0, 1]]) == 1.0
    assert majority_at_k([["b", "a", "a", "b"]], [[0, 1, 1, 0]]) == 0.0


def test_unparsable_answers_do_not_vote():
    assert majority_at_k([[None, None, None, "a"]], [[0, 0, 0, 1]]) == 1.0
    assert majority_at_k([[None, None], ["a", "a"]], [[0, 0], [1, 1]]) == 0.5


def test_majority_is_not_any_correct():
    assert majority_at_k([["a", "a", "b"]], [[0, 0, 1]]) == 0.0
    assert pass_at_k([[0, 0, 1]], 3) == 1.0


def test_interval_is_over_problems_more_samples_of_the_same_outcome_do_not_narrow_it():
    once = pass_interval([[1]] * 3 + [[0]] * 7)
    assert pass_interval([[1] * 16] * 3 + [[0] * 16] * 7) == pytest.approx(once)


def test_interval_where_problems_do_not_differ_is_narrower():
    low, high = pass_interval([[0, 1]] * 20)
    once_low, once_high = pass_interval([[0]] * 10 + [[1]] * 10)
    assert once_low < low < 0.5 < high < once_high


@given(CORRECT)
def test_interval_holds_the_mean_within_0_and_1_and_has_width(correct):
    low, high = pass_interval(correct)
    assert 0 <= low <= pass_at_1(correct) + 1e-12
    assert pass_at_1(correct) - 1e-12 <= high <= 1
    assert high - low > 0


def test_spearman_by_hand():
    # ranks 1..5 against 2,1,4,3,5: sum d^2 = 4, rho = 1 - 6*4/(5*24) = 0.8
    assert spearman([1, 2, 3, 4, 5], [20, 10, 40, 30, 50]) == pytest.approx(0.8)
    assert spearman([1, 2, 3], [9, 5, 1]) == pytest.approx(-1.0)
    assert list(ranks([10, 20, 20, 5])) == [2, 3.5, 3.5, 1]
    # with a tie: a = (2, 3.5, 3.5, 1), b = (1, 2, 3, 4); Pearson of the ranks = -1.5 / sqrt(4.5 * 5)
    assert spearman([10, 20, 20, 5], [1, 2, 3, 4]) == pytest.approx(-1.5 / math.sqrt(22.5))


def test_spearman_is_nan_where_it_means_nothing():
    assert math.isnan(spearman([1, 2], [1, 2]))
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


def test_json_gets_no_nan():
    assert finite_or_none({"a": math.nan, "b": (1.0, math.inf), "c": [{"d": 2}]}) == {"a": None, "b": [1.0, None], "c": [{"d": 2}]}
