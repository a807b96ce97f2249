"""Pairs are picked by the rule that the page states."""

from dunwu.analysis.pairs import KEPT, LOST, SOLVED, STILL_WRONG, compare
from dunwu.evaluation.result import EvaluationResult


def held_out(before, after):
    return {"before": EvaluationResult("x", 2, tuple(before)), "after": EvaluationResult("x", 2, tuple(after))}


def test_the_hardest_three_solved_then_the_hardest_failing_then_the_hardest_lost(make):
    before = [make.row(i, right=i >= 8, difficulty=float(i)) for i in range(12)]
    after = [make.row(i, right=i in (0, 1, 2, 3, 4, 8, 9), difficulty=float(i)) for i in range(12)]
    found = compare(held_out(before, after))
    assert [(pair.kind, pair.problem_id) for pair in found.pairs] == [
        (SOLVED, "p4"), (SOLVED, "p3"), (SOLVED, "p2"), (STILL_WRONG, "p7"), (LOST, "p11"),
    ]  # fmt: skip
    assert found.counts == {SOLVED: 5, STILL_WRONG: 3, KEPT: 2, LOST: 2}
    assert (
        found.sentence
        == "Of 12 problems, by their first samples: 5 from wrong to right, 2 right both times, 3 still wrong, 2 from right to wrong."
    )


def test_only_first_samples_decide(make):
    before = [make.row(0, right=False), make.row(0, 1, right=True)]
    after = [make.row(0, right=False), make.row(0, 1, right=True)]
    assert compare(held_out(before, after)).counts == {STILL_WRONG: 1}


def test_excluded_samples_and_problems_of_one_side_make_no_pair(make):
    before = [make.row(0, score=None, verdict="timeout"), make.row(1), make.row(2)]
    after = [make.row(0), make.row(1), make.row(3)]
    assert compare(held_out(before, after)).counts == {KEPT: 1}


def test_without_difficulty_names_decide(make):
    before, after = ([make.row(i, right=right, difficulty=None) for i in (2, 0, 1)] for right in (False, True))
    assert [pair.problem_id for pair in compare(held_out(before, after)).pairs] == ["p0", "p1", "p2"]


def test_one_side_gives_no_comparison(make):
    assert compare({"after": EvaluationResult("x", 1, (make.row(0),))}) is None
