"""Multiple choice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.choice import verify_choice

CITIES = ["London", "Paris", "Rome", "A dog"]


def question(gold: str, options: object = None) -> Problem:
    return Problem(id="c", task="t", text="", verifier="choice", answer=gold, data={} if options is None else {"options": options})


RIGHT = [
    ("B", "B"),
    ("B", "b"),
    ("B", "(b)"),
    ("B", "B."),
    ("B", "B)"),
    ("B", "B?"),
    ("B", "Ｂ"),
    ("B", "（Ｂ）。"),
    ("B", "**B**"),
    ("B", "$B$"),
    ("B", r"\text{(B)}"),
    ("B", r"\textbf{(B)}\ 5"),
    ("B", r"The answer is \textbf{(B)}\ 5"),
    ("B", "The answer is B. The options are A, B, C, D."),
    ("B", "Option B"),
    ("B", "Answer: B"),
    ("B", "B. The others are wrong."),
    ("B", "B - Paris"),
    ("B", "B is correct"),
    ("B", "The correct answer is B because it is the largest."),
    ("B", "The answer is B, not C."),
    ("B", "I choose option B."),
    ("C", "the answer is (C)"),
    ("D", r"\boxed{\text{D}}"),
    ("D", r"So it is \boxed{D}."),
    ("B", "选B"),
    ("B", "本题选 B。"),
    ("B", "故选：B。"),
    ("B", "答案是 B"),
    ("B", "正确答案为：B"),
    ("B", "B是正确的"),
    ("B", "The answer is A. Wait, no: the answer is B."),
    ("AC", "A, C"),
    ("AC", "CA"),
    ("A, C", "A and C"),
    ("AC", "A、C"),
    ("AC", "选项A和C"),
    ("BC", "The answers are both B and C."),
    ("A", "A"),
    ("I", "I"),
]

WRONG = [
    ("B", "C", "wrong"),
    ("B", "B or C", "wrong"),
    ("BC", "B or C", "wrong"),
    ("B", "B/C", "wrong"),
    ("B", "B, C", "wrong"),
    ("B", "B;C", "wrong"),
    ("B", "Either B or C", "unparsable"),
    ("B", "B, maybe C", "wrong"),
    ("B", "B) 5 or C) 6", "unparsable"),
    ("B", "A, B, C and D", "wrong"),
    ("B", "A B C D", "wrong"),
    ("ABCD", "A or B or C or D", "wrong"),
    ("B", "The answer is B. Or maybe C.", "wrong"),
    ("B", "the answer is B or C", "wrong"),
    ("B", "答案：B 或 C", "wrong"),
    ("B", "选B还是选C", "wrong"),
    ("B", r"\boxed{B} or \boxed{C}", "wrong"),
    ("AC", "A", "wrong"),
    ("A", "A dog is the answer", "unparsable"),
    ("A", "The answer is a prime number", "unparsable"),
    ("I", "I think so", "unparsable"),
    ("B", "not B", "unparsable"),
    ("B", "The answer is not B", "unparsable"),
    ("B", "不选B", "unparsable"),
    ("B", "neither A nor B", "unparsable"),
    ("B", "bad", "unparsable"),
    ("B", "", "unparsable"),
    ("B", "B" * 3000, "unparsable"),
]


@pytest.mark.parametrize(("gold", "answer"), RIGHT)
def test_right(gold: str, answer: str) -> None:
    verdict = verify_choice(question(gold), answer)
    assert (verdict.score, verdict.reason) == (1.0, "correct"), verdict


@pytest.mark.parametrize(("gold", "answer", "reason"), WRONG)
def test_wrong(gold: str, answer: str, reason: str) -> None:
    verdict = verify_choice(question(gold), answer)
    assert verdict.score == 0.0
    if reason == "wrong":
        assert verdict.reason == reason, verdict


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        ("B", "Paris", 1.0),
        ("B", "The answer is Paris.", 1.0),
        ("B", "B. Paris", 1.0),
        ("B", "B: Paris", 1.0),
        ("B", "B (Paris)", 1.0),
        ("B", "B Paris", 1.0),
        ("D", "A dog", 1.0),
        ("B", "B. London", 0.0),
        ("B", "London B", 0.0),
        ("B", "Paris, Rome", 0.0),
        ("B", "Paris or Rome", 0.0),
        ("B", "E", 0.0),
    ],
)
def test_options_texts(gold: str, answer: str, score: float) -> None:
    assert verify_choice(question(gold, CITIES), answer).score == score
    assert verify_choice(question(gold, dict(zip("abcd", CITIES, strict=True))), answer).score == score


@pytest.mark.parametrize(
    "problem", [question("E", CITIES), question(""), question("maybe"), question("B", "Paris"), question("B", {"XY": "z"})]
)
def test_a_problem_that_cannot_be_verified_raises(problem: Problem) -> None:
    with pytest.raises(ValueError, match=r"gold answer|options"):
        verify_choice(problem, "B")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert verify_choice(question("B", CITIES), text).score in (0.0, 1.0)


@pytest.mark.parametrize("piece", ["A, ", "(A", "A or ", "answer is ", "\\text{", "**", "选", "A B "])
def test_hostile_text_comes_to_an_end(piece: str) -> None:
    assert verify_choice(question("B"), (piece * 2048)[:2048]).score == 0.0
