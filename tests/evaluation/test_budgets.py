"""Curves of budgets and majorities, by hand."""

import pytest

from dunwu.evaluation.budgets import BudgetRow, budget_curve, budget_grid, majority_curve
from dunwu.evaluation.result import EvaluationResult, EvaluationRow


def test_the_grid_doubles_up_to_the_longest_thought():
    assert budget_grid(0) == [0]
    assert budget_grid(16) == [0, 16]
    assert budget_grid(100) == [0, 16, 32, 64, 100]


def test_a_point_is_over_problems():
    scores = {"p": [1.0, 0.0, 0.0, 0.0], "q": [1.0, None], "r": [0.5]}
    rows = [BudgetRow(p, i, 16, i == 0, "", 10 + i, score, None) for p, each in scores.items() for i, score in enumerate(each)]
    (point,) = budget_curve(rows)
    assert point["accuracy"]["value"] == pytest.approx((0.25 + 1 + 0) / 3)
    assert point["kept"] == pytest.approx(3 / 7)
    assert point["tokens"] == pytest.approx(10 + (6 + 1 + 0) / 7)


def stored(problem, votes):
    return [
        EvaluationRow(problem, "?", "en", None, None, i, "", 5, 10, "stop", float(vote == "a"), "correct", 0, vote, vote)
        for i, vote in enumerate(votes)
    ]


def test_majorities_of_blocks():
    found = majority_curve(EvaluationResult("s", 4, (*stored("p", "aabb"), *stored("q", "baaa"))))
    assert [(point["m"], point["tokens"]) for point in found] == [(1, 10), (2, 20), (4, 40)]
    assert [point["majority"] for point in found] == [(0.5 + 0.75) / 2, (0.5 + 0.5) / 2, 1.0]


def test_a_block_that_is_not_whole_does_not_count():
    assert [point["m"] for point in majority_curve(EvaluationResult("s", 4, tuple(stored("p", "ab"))))] == [1, 2]
