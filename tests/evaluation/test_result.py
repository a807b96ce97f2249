"""Summaries of small evaluations, computed by hand."""

from dataclasses import replace

import pytest

from dunwu.evaluation.result import EvaluationResult, EvaluationRow, by_difficulty

ROW = EvaluationRow(
    problem_id="p0",
    text="Use 1,2 to make 3.",
    language="en",
    difficulty=1.0,
    human_seconds=None,
    sample=0,
    completion="wait, 1+2</think><answer>1+2</answer>",
    thinking_tokens=4,
    tokens=10,
    finish_reason="stop",
    score=1.0,
    verdict="correct",
    reflections=1,
    answer="1+2",
    vote="1+2",
)


def row(problem, sample, *, right=True, **changes):
    verdict = "correct" if right else "wrong"
    return replace(ROW, problem_id=problem, sample=sample, score=float(right), verdict=verdict, vote="1+2" if right else "1*2", **changes)


def excluded(problem, sample):
    return replace(ROW, problem_id=problem, sample=sample, score=None, verdict="timeout", vote=None)


def test_the_headline_numbers():
    rows = (
        row("a", 0),
        row("a", 1, right=False, tokens=30, finish_reason="length"),
        row("b", 0, right=False),
        row("b", 1, right=False, reflections=5),
    )
    summary = EvaluationResult("countdown", 2, rows).summary()
    assert summary["pass_at_1"] == 0.25
    assert summary["pass_at_k"] == 0.5
    assert summary["majority_at_k"] == 0.5  # a: a tie, the right one came first
    assert (summary["k"], summary["problems"], summary["samples"], summary["excluded"]) == (2, 2, 4, 0)
    assert summary["mean_length"] == 15.0
    assert summary["thinking_length"] == 4.0
    assert summary["clipped_ratio"] == 0.25
    assert summary["reflections_per_completion"] == 2.0
    assert summary["verdicts"] == {"correct": 1, "wrong": 3}
    assert 0 < summary["interval"][0] < 0.25 < summary["interval"][1] < 1
    assert "thinking_vs_human_seconds" not in summary


def test_excluded_samples_are_counted_and_left_out_never_0():
    with_failure = EvaluationResult("x", 3, (row("a", 0), excluded("a", 1), row("a", 2))).summary()
    assert with_failure["pass_at_1"] == 1.0
    assert with_failure["majority_at_k"] == 1.0
    assert with_failure["excluded"] == 1
    assert with_failure["verdicts"] == {"correct": 2, "timeout": 1}


def test_samples_without_a_verifier_are_no_failures_and_no_wrong_answers():
    general = replace(ROW, problem_id="b", score=None, verdict="unverified", vote=None)
    summary = EvaluationResult("x", 1, (row("a", 0), general)).summary()
    assert (summary["excluded"], summary["pass_at_1"], summary["samples"]) == (0, 1.0, 2)
    alone = EvaluationResult("x", 1, (general,)).summary()
    assert (alone["excluded"], alone["pass_at_1"], alone["majority_at_k"], alone["verdicts"]) == (0, None, None, {"unverified": 1})


def test_a_problem_of_excluded_samples_only_is_no_wrong_problem():
    summary = EvaluationResult("x", 1, (row("a", 0), excluded("b", 0))).summary()
    assert summary["pass_at_1"] == 1.0
    assert summary["problems"] == 2


def test_nothing_at_all_gives_none():
    summary = EvaluationResult("x", 4, ()).summary()
    assert summary["pass_at_1"] is None
    assert summary["interval"] == [None, None]
    assert summary["mean_length"] is None


def test_few_levels_are_kept_as_they_are():
    rows = (
        row("a", 0, difficulty=1.0),
        row("b", 0, difficulty=2.0, right=False, thinking_tokens=8),
        row("c", 0, difficulty=2.0, thinking_tokens=10),
    )
    assert by_difficulty(EvaluationResult("x", 1, rows).problems) == [
        {"from": 1.0, "to": 1.0, "problems": 1, "pass_at_1": 1.0, "thinking_length": 4.0},
        {"from": 2.0, "to": 2.0, "problems": 2, "pass_at_1": 0.5, "thinking_length": 9.0},
    ]


def test_many_levels_become_quartiles_that_hold_every_problem_once():
    rows = tuple(row(f"p{i}", 0, difficulty=float(901 + i), thinking_tokens=i) for i in range(100))
    levels = by_difficulty(EvaluationResult("x", 1, rows).problems)
    assert [(level["from"], level["to"], level["problems"]) for level in levels] == [
        (901, 925, 25), (926, 950, 25), (951, 975, 25), (976, 1000, 25),
    ]  # fmt: skip
    assert levels[0]["thinking_length"] == 12.0


def test_problems_without_difficulty_have_no_levels():
    assert by_difficulty(EvaluationResult("x", 1, (row("a", 0, difficulty=None),)).problems) == []


def test_thinking_against_human_time_is_over_problems():
    seconds, lengths = [5.0, 9.0, 7.0, 20.0], [10, 30, 20, 40]
    rows = tuple(
        row(f"p{i}", s, human_seconds=t, thinking_tokens=n) for i, (t, n) in enumerate(zip(seconds, lengths, strict=True)) for s in (0, 1)
    )
    found = EvaluationResult("game24", 2, rows).summary()["thinking_vs_human_seconds"]
    assert found == {"spearman": pytest.approx(1.0), "problems": 4}
