"""Which completions a page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.analysis.browser.choice import ALL, choose
from dunwu.analysis.browser.tables import CompletionTable


def table(step: int, problems: int, members: int, size: int = 10, source: str = "") -> CompletionTable:
    rows = {f"q{place}": range(place * members, (place + 1) * members) for place in range(problems)}
    return CompletionTable(source, step, Path(f"{step}"), rows, [size] * (problems * members))


def test_all_are_chosen_where_they_fit() -> None:
    found = choose([table(step, 5, 4) for step in range(3)], 10 * 60)
    assert [rows for _, rows in found.rows] == [tuple(range(20))] * 3
    assert found.size == 600


def test_fewer_problems_come_first_then_fewer_completions_then_fewer_steps() -> None:
    tables = [table(step, 64, 16) for step in range(40)]
    found = choose(tables, 16 * 2 * 16 * 10)
    assert (found.steps, found.problems, found.members) == (16, 2, ALL)
    assert [each.step for each, _ in found.rows][:2] == [0, 3]
    assert found.rows[-1][0].step == 39
    assert found.rows[0][1] == (*range(16), *range(32 * 16, 33 * 16))  # problems 0 and 32 of 64
    assert (choose(tables, 16 * 4 * 10).members, choose(tables, 16 * 4 * 10).steps) == (4, 16)
    smallest = choose(tables, 0)
    assert (smallest.steps, smallest.problems, smallest.members) == (2, 1, 2)


@pytest.mark.parametrize("budget", [0, 100, 1000, 5000, 10**6])
def test_a_choice_fits_or_is_the_smallest(budget: int) -> None:
    found = choose([table(step, 7, 3, size=25) for step in range(5)], budget)
    assert found.size <= max(budget, 2 * 2 * 25)


def test_an_eval_set_has_the_same_problems_at_all_steps() -> None:
    part = CompletionTable("set", 10, Path("part"), {"q1": [0], "q3": [1]}, [10, 10])
    found = choose([table(0, 5, 2, source="set"), part, table(20, 5, 2, source="set")], 10**6)
    assert [rows for _, rows in found.rows] == [(2, 3, 6, 7), (0, 1), (2, 3, 6, 7)]


def test_nothing_can_be_chosen_from_nothing() -> None:
    assert choose([], 100).rows == ()
