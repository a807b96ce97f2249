"""Figures of the causal check, by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest

from dunwu.evaluation.causal import CausalRow, averted, causal_summary, cells


def row(problem, draw, number, vote, reflects=False, kind="reflection", gold="right"):
    score = None if vote == "failed" else float(vote == gold)
    return CausalRow(kind, problem, 0, 5, 9, 0.5, draw, number, "", 10, reflects, score, None if vote == "failed" else vote)


def case(problem, free, kept, forced="wrong", kind="reflection", reflects=()):
    drawn = [row(problem, "free", number, vote, number in reflects, kind) for number, vote in enumerate(free)]
    drawn += [row(problem, "kept", number, vote, kind=kind) for number, vote in enumerate(kept)]
    return [*drawn, row(problem, "forced", 0, forced, kind=kind)]


A, B = "right", "other"


def test_averted_are_the_first_that_do_not_reflect():
    rows = case("p", [A, B, B, A, A], [A, A], reflects=(0, 2))
    free = [each for each in rows if each.draw == "free"]
    assert [each.number for each in averted(list(reversed(free)), 2)] == [1, 3]


def test_conditions_by_hand():
    (cell,) = cells(case("p", [A, B, B, A, A], [A, A], reflects=(0, 2)), "reflection", 2)
    assert [cell.accuracy(name) for name in ("before", "again", "kept", "averted")] == [Fraction(1, 2), Fraction(1, 2), 1, Fraction(1, 2)]
    assert cell.right is False
    assert (cell.majority("before"), cell.majority("again"), cell.majority("averted")) == (A, B, B)
    assert (cell.changed("averted", "kept"), cell.changed("before", "again")) == (1, 1)


def test_going_on_leaves_out_what_ends_the_thought():
    rows = case("p", [A, B, A, B, B, B], [A, A], reflects=(0,))
    rows[1:3] = [replace(each, text=" </think><answer>") for each in rows[1:3]]
    (cell,) = cells(rows, "reflection", 2)
    assert [row.number for row in cell.by_condition["averted"]] == [1, 2]
    assert [row.number for row in cell.by_condition["going on"]] == [3, 4]
    found = causal_summary(rows, 2)["reflection"]
    assert found["averted_closed"] == 1.0
    assert found["effects"]["kept - going on"]["mean"] == 1.0


def test_the_effect_is_over_problems():
    rows = case("p", [B, B, B, B], [A, A]) + case("q", [A, A, A, A], [A, A], forced=A) + case("r", [B, B, B, B], [A, B])
    found = causal_summary(rows, 2)
    effect = found["reflection"]["effects"]["kept - averted"]
    assert effect["mean"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert (effect["problems"], effect["exact"]) == (3, True)
    assert effect["p_value"] == pytest.approx(2 / 4)  # the signs of 1 and 0.5: both equal, or not
    assert found["reflection"]["accuracy"]["kept"]["value"] == pytest.approx(2.5 / 3)
    assert found["reflection"]["changed"]["averted to kept"]["value"] == pytest.approx(2 / 3)
    assert found["reflection"]["changed"]["by chance"]["value"] == 0
    assert found["reflection"]["forced"]["value"] == pytest.approx(1 / 3)
    assert found["reflection_after_right"]["effects"]["kept - averted"]["mean"] == 0
    assert found["reflection_after_wrong"]["effects"]["kept - averted"]["mean"] == pytest.approx(0.75)
    assert found["control"]["completions"] == 0


def test_samples_of_a_problem_are_one_unit():
    rows = case("p", [B, B, B, B], [A, A]) + [
        CausalRow(*(1 if name == "sample" else getattr(each, name) for name in CausalRow.__slots__)) for each in case("p", [A] * 4, [A, A])
    ]
    found = causal_summary(rows, 2)["reflection"]
    assert (found["completions"], found["problems"]) == (2, 1)
    assert found["effects"]["kept - averted"]["mean"] == 0.5


def test_a_completion_that_always_reflects_is_counted_and_left_out():
    found = causal_summary(case("p", [B] * 4, [A, A], reflects=range(4)), 2)["reflection"]
    assert found["never_averted"] == 1
    assert found["effects"]["kept - averted"] is None
    assert found["effects"]["kept - before"]["mean"] == 1.0
    assert found["changed"]["more"] is None


def test_failed_verifiers_count_nowhere():
    (cell,) = cells(case("p", ["failed", A, "failed", "failed"], [A, B], forced="failed"), "reflection", 2)
    assert (cell.accuracy("before"), cell.accuracy("again"), cell.right) == (1, None, None)


def verdict_of(free, kept):
    return causal_summary([each for place in range(12) for each in case(f"p{place}", free, kept)], 2)["verdict"]


def test_verdicts_differ():
    said = [verdict_of(*each) for each in (([B] * 4, [A] * 2), ([A] * 4, [B] * 2), (["x"] * 4, ["y"] * 2), ([A] * 4, [A] * 2))]
    assert len(set(said)) == 4


def test_nothing_to_measure():
    assert causal_summary([], 4)["reflection"]["accuracy"]["kept"] is None
