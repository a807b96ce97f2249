"""Free-text answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.text import normalise, verify_text


def score(golds: list[str] | str, answer: str, **data: Any) -> float | None:
    golds = [golds] if isinstance(golds, str) else golds
    return verify_text(Problem(id="t", task="t", text="", verifier="text", data={"answers": golds, **data}), answer).score


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  Eiffel Tower!", ("eiffel", "tower")),
        ("Ｐａｒｉｓ", ("paris",)),
        ("Beyoncé", ("beyonce",)),
        ("Newton's law", ("newton", "law")),
        ("Newton’s law", ("newton", "law")),
        ("twelve apples", ("12", "apples")),
        ("1,000 km", ("1000", "km")),
        ("《红楼梦》", ("红", "楼", "梦")),
        ("A", ("a",)),
        ("?!", ()),
    ],
)
def test_normal_forms(text: str, words: tuple[str, ...]) -> None:
    assert normalise(text) == words


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("Eiffel Tower", "the eiffel tower.", 1.0),
        ("12", "twelve", 1.0),
        ("红楼梦", "《红楼梦》。", 1.0),
        ("Eiffel Tower", "Tower Eiffel", 0.0),
        ("Paris", "It is Paris", 0.0),
        ("Paris", "Paris or Rome", 0.0),
        ("11", "1 1", 0.0),
        ("3.5", "35", 0.0),
        ("Paris", "", 0.0),
    ],
)
def test_exact(gold: str, answer: str, expected: float) -> None:
    assert score(gold, answer) == expected


def test_other_golds_are_no_alternatives() -> None:
    assert score(["wheat", "rice", "corn"], "The crops are wheat, rice and corn.", match="contains") == 1.0
    assert score(["wheat", "rice", "corn"], "The crops are wheat, rice, tea and tin.", match="contains") == 0.0
    assert score(["solidus", "slash"], "It is a solidus or slash.", match="contains") == 1.0
    assert score(["solidus"], "It is a solidus or slash.", match="contains") == 0.0


def test_one_of_several_golds_is_enough() -> None:
    assert score(["UK", "United Kingdom"], "the United Kingdom") == 1.0
    assert verify_text(Problem(id="t", task="t", text="", verifier="text", answer="Paris"), "paris").score == 1.0


def test_number_words_may_stay_words() -> None:
    assert score("7", "seven") == 1.0
    assert score("7", "seven", number_words=False) == 0.0


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("Pyotr Ilyich Tchaikovsky", "Pyotr Ilich Tchaikovsky", 1.0),
        ("Mississippi river", "Missisippi River", 1.0),
        ("the treaty of 1984", "the treaty of 1985", 0.0),
        ("it is allowed to enter the building", "it is not allowed to enter the building", 0.0),
        ("Paris", "Rome", 0.0),
    ],
)
def test_fuzzy(gold: str, answer: str, expected: float) -> None:
    assert score(gold, answer, match="fuzzy") == expected


def test_the_threshold_is_an_option() -> None:
    assert score("Jon Smith", "John Smith", match="fuzzy", threshold=94) == 1.0
    assert score("Jon Smith", "John Smith", match="fuzzy", threshold=96) == 0.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Paris", "Paris"),
        ("Paris", "It is Paris."),
        ("Paris", "Paris, France"),
        ("Paris", "The capital of France is Paris, which lies on the Seine."),
        ("Ada Lovelace", "The first program, published in 1843, was written by Ada Lovelace."),
        ("1843", "It was published on 7 August, 1843."),
        ("4", "There are 4 of them."),
        ("杜甫", "这首诗的作者是杜甫。"),
        ("red or blue", "It is red or blue."),
    ],
)
def test_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Paris", "Comparison"),
        ("Paris", "Paris, Rome or Oslo"),
        ("Paris", "It is Paris, Rome, Oslo"),
        ("Oslo", "It is Paris, Rome and Oslo"),
        ("Rome", "Paris, Rome, Oslo"),
        ("Paris", "Paris\nRome\nOslo"),
        ("Paris", "The capital is either Paris or Rome"),
        ("Paris", "Paris/Rome"),
        ("Paris", "It is not Paris"),
        ("Paris", "It isn't in Paris"),
        ("Paris", "It is Paris. It is Rome. It is Oslo."),
        ("Paris", "Paris Rome Oslo Bern"),
        ("4", "1, 2, 3 or 4"),
        ("4", "3 4"),
        ("4", "4, 5"),
        ("4", "It is 4, 5"),
        ("4", "3 and 4"),
        ("4", "It is 14"),
        ("杜甫", "李白或者杜甫"),
        ("杜甫", "李白、杜甫、王维"),
        ("杜甫", "不是杜甫"),
        ("Paris", "It is Paris. " + "And it is also a very fine place to be in. " * 20),
    ],
)
def test_not_contained(gold: str, answer: str) -> None:
    assert score(gold, answer, match="contains") == 0.0


@pytest.mark.parametrize(
    "data", [{"answers": []}, {"answers": ["?"]}, {"answers": ["Paris", 3]}, {"answers": ["Paris"], "match": "vague"}, {}]
)
def test_a_problem_that_cannot_be_verified_raises(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gold answers|match"):
        verify_text(Problem(id="t", task="t", text="", verifier="text", data=data), "Paris")


def test_endless_answers_are_refused() -> None:
    verdict = verify_text(Problem(id="t", task="t", text="", verifier="text", answer="Paris"), "Paris " * 1000)
    assert (verdict.score, verdict.reason) == (0.0, "unparsable")


@given(st.text(), st.sampled_from(["exact", "fuzzy", "contains"]))
def test_no_text_raises(text: str, match: str) -> None:
    assert score("Paris", text, match=match) in (0.0, 1.0)
