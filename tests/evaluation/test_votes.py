"""Vote keys look at the answer's writing, never at what is right."""

from typing import get_args

import pytest

from dunwu.evaluation.votes import vote_key
from dunwu.types import VerifierName


@pytest.mark.parametrize("answer", ["(1+3)*6", " ( 1 + 3 ) * 6 ", "（1＋3）×6", "(1+3)*6=24", "(1+3)\n*6 = 24"])
def test_typography_does_not_divide_votes(answer):
    assert vote_key(answer, "expression") == "(1+3)*6"


def test_expressions_of_one_value_are_different_candidates():
    assert len({vote_key(answer, "expression") for answer in ["(1+3)*6", "6*(1+3)", "24"]}) == 3


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("1,200", "1200"),
        ("$1200.00", "1200"),
        ("0.50", "1/2"),
        ("2/4", "1/2"),
        ("-3.", "-3"),
        ("− 3", "-3"),
        ("７", "7"),
        ("x=1", "x=1"),
        ("1/0", "1/0"),
    ],
)
def test_numbers_vote_by_exact_value(answer, key):
    assert vote_key(answer, "number") == key


def test_a_huge_power_is_text_and_not_computed():
    assert vote_key("1e999999999", "number") == "1e999999999"
    assert vote_key("9" * 100_000, "number") == "9" * 100_000


@pytest.mark.parametrize("answer", [None, "", " \n", "=24"])
def test_nothing_does_not_vote(answer):
    assert vote_key(answer, "expression") is None


def test_other_answers_vote_as_written_but_for_whitespace():
    assert vote_key(" a  b\nc ", "reasoning_gym") == "a b c"


def test_mathematics_votes_by_value_where_it_is_a_constant_and_else_as_written():
    assert vote_key(r"\frac{1}{2}", "math") == vote_key("0.5", "math") == "1/2"
    assert vote_key(r"2 \sqrt{2}", "math") == vote_key(r"\sqrt{8}", "math") != vote_key("2", "math")
    assert vote_key("x + 1", "math") == "x+1"


@pytest.mark.parametrize("verifier", get_args(VerifierName))
def test_every_verifier_has_votes(verifier):
    assert vote_key(" B ", verifier) in ("B", "b")
    assert vote_key("", verifier) is None
