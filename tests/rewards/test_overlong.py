"""Soft overlong punishment."""

from __future__ import annotations

import pytest

from dunwu.rewards.length import overlong_punishment, with_overlong
from dunwu.types import Reward, Verdict


@pytest.mark.parametrize(
    ("tokens", "expected"), [(1, 0.0), (16384, 0.0), (16385, -1 / 4096), (18432, -0.5), (20479, -4095 / 4096), (20480, -1.0), (30000, -1.0)]
)
def test_the_papers_numbers(tokens: int, expected: float) -> None:
    """L_max = 20,480 and L_cache = 4,096."""
    assert overlong_punishment(tokens, 20480, 4096) == pytest.approx(expected)


def test_the_whole_length_may_be_soft() -> None:
    assert [overlong_punishment(tokens, 4, 4) for tokens in range(5)] == [0.0, -0.25, -0.5, -0.75, -1.0]
    with pytest.raises(AssertionError):
        overlong_punishment(1, 4, 5)


def test_it_is_a_part_of_the_reward() -> None:
    verdict = Verdict(1.0, "correct")
    got = with_overlong(Reward(2.0, {"accuracy": 1.0, "format": 1.0}, verdict), 9, 10, 4)
    assert got == Reward(1.25, {"accuracy": 1.0, "format": 1.0, "overlong": -0.75}, verdict)


def test_a_failed_reward_stays_failed() -> None:
    got = with_overlong(Reward(None, {"accuracy": None}, Verdict(None, "timeout")), 10, 10, 4)
    assert got.total is None
    assert got.parts == {"accuracy": None, "overlong": -1.0}
