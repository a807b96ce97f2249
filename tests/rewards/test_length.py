"""Rewards by length."""

from __future__ import annotations

import math

import pytest

from dunwu.rewards.length import CosineShape, WordLimit, cosine_length_reward, linear_length_penalty, with_cosine_length
from dunwu.rewards.scope import look_at
from dunwu.types import Problem, Reward, Verdict

SHAPE = CosineShape(correct_short=2.0, correct_long=1.0, wrong_short=-10.0, wrong_long=0.0, cut_off=-10.0)


@pytest.mark.parametrize(
    ("correct", "tokens", "expected"),
    [
        (True, 0, 2.0),
        (True, 500, 1.5),  # cos(pi / 2) = 0
        (True, 250, 1.5 + 0.25 * math.sqrt(2)),
        (True, 999, 1.0),
        (True, 1000, -10.0),
        (False, 0, -10.0),
        (False, 500, -5.0),
        (False, 750, -5.0 + 2.5 * math.sqrt(2)),
        (False, 999, 0.0),
        (False, 2000, -10.0),
    ],
)
def test_half_a_cosine(correct: bool, tokens: int, expected: float) -> None:
    assert cosine_length_reward(correct, tokens, 1000, SHAPE) == pytest.approx(expected, abs=1e-4)


def test_right_and_short_is_best_and_wrong_and_short_is_worst() -> None:
    shape = CosineShape()
    right = [cosine_length_reward(True, tokens, 100, shape) for tokens in range(100)]
    wrong = [cosine_length_reward(False, tokens, 100, shape) for tokens in range(100)]
    assert right == sorted(right, reverse=True)
    assert wrong == sorted(wrong)
    assert min(right) > max(wrong)


@pytest.mark.parametrize(("length", "expected"), [(0, 0.0), (10, 0.0), (11, -0.1), (15, -0.5), (20, -1.0), (99, -1.0)])
def test_linear(length: int, expected: float) -> None:
    assert linear_length_penalty(length, 10, 20) == pytest.approx(expected)


def test_a_limit_in_words() -> None:
    problem = Problem(id="p", task="t", text="", verifier="number", answer="8")
    assert WordLimit(free=2, limit=6)(problem, look_at("我们算一下")) == -0.75
    assert WordLimit(free=2, limit=6)(problem, look_at("two words")) == 0.0
    with pytest.raises(AssertionError, match="free up to 6 of 6"):
        linear_length_penalty(1, 6, 6)


def test_it_is_a_part_of_the_reward() -> None:
    reward = Reward(1.0, {"accuracy": 1.0}, Verdict(1.0, "correct"))
    got = with_cosine_length(reward, 500, 1000, SHAPE, weight=2.0)
    assert got.total == pytest.approx(4.0)
    assert got.parts == {"accuracy": 1.0, "length": pytest.approx(1.5)}


def test_a_failed_reward_stays_failed() -> None:
    got = with_cosine_length(Reward(None, {"accuracy": None}, Verdict(None, "error")), 10, 100, SHAPE)
    assert (got.total, got.parts) == (None, {"accuracy": None, "length": None})
