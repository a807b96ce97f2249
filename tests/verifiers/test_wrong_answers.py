"""Wrong answers that are wrong by construction, and honest rewrites of golds, for every form of gold."""

import pytest

from dunwu.verifiers.math.verify import check_gold, compare_math
from tests.verifiers.wrong_answers import FORMS, right_answers, wrong_answers

QUICK, WHOLE = 100, 1000


def false_positives(name, count):
    return [pair for pair in wrong_answers(name, count) if compare_math(*pair).reason == "correct"]


@pytest.mark.parametrize("name", FORMS)
def test_no_wrong_answer_is_right(name):
    assert false_positives(name, QUICK) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_no_wrong_answer_of_a_thousand_is_right(name):
    assert false_positives(name, WHOLE) == []


@pytest.mark.parametrize("name", FORMS)
def test_honest_rewrites_are_right(name):
    assert [pair for pair in right_answers(name, QUICK) if compare_math(*pair).reason != "correct"] == []


@pytest.mark.parametrize("name", FORMS)
def test_the_golds_are_valid(name):
    assert [gold for gold, _ in right_answers(name, 30) if check_gold(gold) is not None] == []


def test_the_answers_are_the_same_each_time():
    assert list(wrong_answers("fractions", 50)) == list(wrong_answers("fractions", 50))
    assert len(FORMS) >= 45
