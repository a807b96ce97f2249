"""The repetition penalty."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.rewards.repetition import Repetition, repetition_penalty
from dunwu.rewards.scope import look_at
from dunwu.types import Problem


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        ("a b c d e", 2, 0.0),
        ("a b a b", 2, -1 / 3),  # ab ba ab
        ("A b a B", 2, -1 / 3),
        ("no no no no no", 3, -2 / 3),  # three of no no no
        ("我们算我们算", 2, -2 / 5),  # 我们 们算 算我 我们 们算
        ("!!!!!", 2, -3 / 4),
        ("one two", 3, 0.0),
        ("", 1, 0.0),
        ("x" * 40, 2, -38 / 39),  # no break at all: read by letters
    ],
)
def test_hand_counted(text: str, n: int, expected: float) -> None:
    assert repetition_penalty(text, n) == pytest.approx(expected)


def test_the_maximum_scales_it() -> None:
    assert repetition_penalty("a b a b", 2, 0.3) == pytest.approx(-0.1)


@given(st.text(), st.integers(1, 6))
def test_it_is_bounded(text: str, n: int) -> None:
    assert -1.0 <= repetition_penalty(text, n) <= 0.0


def test_a_loop_costs_nearly_everything_and_a_text_nothing() -> None:
    problem = Problem(id="p", task="t", text="", verifier="number", answer="8")
    part = Repetition(words=4)
    assert part(problem, look_at("<think>" + "wait, let me check again. " * 200 + "</think>")) < -0.95
    assert part(problem, look_at("<think>First add three and five, which makes eight.</think><answer>8</answer>")) == 0.0
