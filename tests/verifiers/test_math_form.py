from fractions import Fraction

import pytest

from dunwu.verifiers.math.form import normal_form
from dunwu.verifiers.math.numeric import FIRST, differ, doubles, evaluate
from dunwu.verifiers.math.syntax import TooLarge, Unreadable, parse

ONE = ()


def terms(text):
    return normal_form(parse(text)).terms


def test_hand_computed_forms():
    assert terms(r"\sqrt{12}") == {(3, ONE): 2}
    assert terms(r"\frac{1}{\sqrt{8}}") == {(2, ONE): Fraction(1, 4)}
    assert terms(r"\sqrt{-9}") == {(-1, ONE): 3}
    assert terms(r"\sqrt{-2}\sqrt{-3}") == {(6, ONE): -1}
    assert terms("i^3") == {(-1, ONE): -1}
    assert terms("2xy^2/x") == {(1, (("y", Fraction(2)),)): 2}
    assert terms("x - x") == {}
    assert terms(r"\frac{1}{\sqrt2+\sqrt3}") == {(2, ONE): -1, (3, ONE): 1}


@pytest.mark.parametrize("text", [r"\cos(x)", "2^x", r"\frac{1}{a+b}", r"\sqrt[3]{2}", r"\sqrt{x^2}"])
def test_unequal_open_forms_decide_nothing(text):
    assert not normal_form(parse(text)).exact


@pytest.mark.parametrize(
    "text", ["9^{9^9}", "10^{99999}", "3000!", r"\binom{9999}{2}", "1e2000", "(" * 60 + "1" + ")" * 60, "(x+1)" * 40, "1" + "+1" * 200]
)
def test_bounds(text):
    with pytest.raises(TooLarge):
        normal_form(parse(text))


@pytest.mark.parametrize("text", ["2 3", r"\frac{1}{2}3", "x2", "", "(1", "1)", "1+", r"\foo", "five", "a^b^c", "5!!", r"\sum x", "²"])
def test_text_outside_the_grammar_is_unreadable(text):
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1/2x", 0.5), (r"-2^2", -4), (r"2\frac{1}{2}", 2.5), (r"\log_2 8", 3), (r"\sqrt[3]{-8}", -2), (r"\sin 30°", 0.5)]
)
def test_values(text, value):
    assert evaluate(parse(text.replace("x", "(1)")), FIRST, doubles()) == pytest.approx(value)


def test_equal_expressions_never_differ_and_unequal_ones_do():
    assert not differ(parse(r"\sin(2x)"), parse(r"2\sin x\cos x"))
    assert differ(parse(r"\sin(2x)"), parse(r"2\sin x"))
    assert differ(parse("x"), parse("e^{e^{e^{e^{9}}}}"))
