"""Closeness to a teacher: hand-computed scores, and where the teacher's answer says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.models.thinking import parse_completion
from dunwu.rewards.closeness import CLOSENESS, CUT, TEACHER, Closeness, agreement, overlap
from dunwu.rewards.outcome import compute
from dunwu.types import Problem

COUNTDOWN = Problem("c", "countdown", "Make 24.", "expression", data={"numbers": [2, 3, 4], "target": 24})


def problem(verifier: Any, answer: str | None = None, **data: Any) -> Problem:
    return Problem("p", "t", "?", verifier, answer=answer, data=data)


def agree(of: Problem, teacher: str, student: str) -> float | None:
    return agreement(of, *(parse_completion(f"<think>so</think><answer>{answer}</answer>") for answer in (teacher, student)))


@pytest.mark.parametrize(
    ("of", "teacher", "student", "score"),
    [
        (COUNTDOWN, "4*(2*3)", "2*3*4 = 24", 1.0),
        (COUNTDOWN, "4*(2*3)", "2+3+4", 0.0),
        (COUNTDOWN, "2+3+4", "4+3+2", 1.0),  # the teacher is wrong, and so is who agrees
        (COUNTDOWN, "2+3+4", "2*3*4", 0.0),
        (COUNTDOWN, "2/3", "2/3", 1.0),
        (COUNTDOWN, "I do not know.", "I do not know.", None),
        (COUNTDOWN, "1/0", "1/0", None),
        (problem("math", "8"), r"\frac{1}{2}", "0.5", 1.0),
        (problem("math", "8"), r"\frac{1}{2}", "8", 0.0),
        (problem("number", "8"), "7", "7.0", 1.0),
        (problem("number", "8"), "blue", "blue", None),
        (problem("choice", "B", options=["Rome", "Paris"]), "A) Rome", "(a)", 1.0),
        (problem("choice", "B", options=["Rome", "Paris"]), "A) Rome", "B", 0.0),
        (problem("choice", "B"), "hm", "hm", None),
        (problem("text", None, answers=["Paris", "paris"]), "Rome", "rome.", 1.0),
        (problem("text", None, answers=["Paris", "paris"]), "Rome", "Paris", 0.0),
        (problem("reasoning_gym", "4 2", item=1), "2 4", "2 4", 1.0),
        (problem("none"), "hello", "hello", None),
        (problem("code", tests=[]), "x", "x", None),
    ],
)
def test_agreement_needs_no_gold(of: Problem, teacher: str, student: str, score: float | None) -> None:
    assert agree(of, teacher, student) == score


def test_without_an_answer_the_student_disagrees_and_the_teacher_says_nothing() -> None:
    said, silent = parse_completion("<think>a</think><answer>2*3*4</answer>"), parse_completion("<think>a")
    assert agreement(COUNTDOWN, said, silent) == 0.0
    assert agreement(COUNTDOWN, silent, said) is None


def test_overlap_is_rouge_l() -> None:
    assert overlap("3 + 4 = 7", "3 + 4 = 7") == 1.0
    assert overlap("3 + 4 = 7", "4 + 3 = 7") == pytest.approx(2 * 3 / 10)  # "+ = 7"
    assert overlap("Let us add 12", "let US multiply") == pytest.approx(2 * 2 / (4 + 3))
    assert overlap("我们算", "我们想算") == pytest.approx(2 * 3 / (3 + 4))
    assert overlap("a b", "") == overlap("a b", "c d") == 0.0
    assert overlap("", "a") is None


def test_overlap_compares_the_reasoning_alone() -> None:
    def score(teacher: str, student: str) -> float | None:
        of = problem("number", "1", **{TEACHER: teacher, CUT: False})
        return compute(Closeness("overlap"), of, student).parts[CLOSENESS]

    assert score("<think>a b</think><answer>1</answer>", "<think>a b</think><answer>2</answer>") == 1.0
    assert score("a b", "<think>a b</think>c") == 1.0  # a teacher without a chain of thought
    assert score("<think></think><answer>1</answer>", "<think>a</think>") is None


def test_a_completion_that_is_cut_off_has_no_last_number() -> None:
    def score(cut: bool) -> float | None:
        of = problem("number", "1", answer_form="boxed-or-last-number", **{TEACHER: "It is 7", CUT: cut})
        return compute(Closeness("answer"), of, "I compute 7").parts[CLOSENESS]

    assert (score(False), score(True)) == (1.0, 0.0)
