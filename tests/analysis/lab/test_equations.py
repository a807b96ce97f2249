"""The equations of a text and their truth."""

import time
from fractions import Fraction

import pytest

from dunwu.analysis.lab.equations import equations


def found(text, **options):
    return [(each.left, each.claimed, each.true) for each in equations(text, **options)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9*3=27, 27-10 = 16.", [("9*3", 27, True), ("27-10", 16, False)]),
        ("so (10*3)-9 = 30-9 = 21", [("(10*3)-9", 21, True), ("30-9", 21, True)]),
        ("17 = 27-10", [("27-10", 17, True)]),
        ("7-9=-2, 2*(-3)=-6", [("7-9", -2, True), ("2*(-3)", -6, True)]),
        ("(9+1=10)", [("9+1", 10, True)]),
        ("**3 + 4 = 7**", [("3+4", 7, True)]),
        (r"3\times 4=13; 3 × 4 = 12; 3 x 4 = 12", [("3*4", 13, False), ("3*4", 12, True), ("3*4", 12, True)]),
        ("1,200 + 300 = 1,500", [("1200+300", 1500, True)]),
        ("验证5/5=1,8+3=11。", [("5/5", 1, True), ("8+3", 11, True)]),
    ],
)
def test_equations_are_read_with_their_truth(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3+5=8-2=6", [("3+5", 8, True), ("8-2", 6, True)]),
        ("3+5=8 8*2=16", [("3+5", 8, True), ("8*2", 16, True)]),
        ("5/1=5.8*3=24", [("5/1", 5, True), ("8*3", 24, True)]),
        ("2*3=6.5-0.5=6", [("2*3", 6, True), ("6.5-0.5", 6, True)]),
        ("5/2=2.5*4=10", [("5/2", Fraction(5, 2), True), ("2.5*4", 10, True)]),
        ("10/3=3.33", [("10/3", Fraction(333, 100), True)]),
        ("7/6=1.16666666666666", [("7/6", Fraction("1.16666666666666"), True)]),
        ("f(x) = 2*(-2.1) - 3 = -4.2 -3 = -7.2", [("2*(-2.1)-3", Fraction("-7.2"), True), ("-4.2-3", Fraction("-7.2"), True)]),
        ("fee = 6.50 + 4.50 = 11.00 dollars", [("6.50+4.50", 11, True)]),
        ("10/3=3.34", [("10/3", Fraction(334, 100), False)]),
    ],
)
def test_of_two_readings_the_true_one_is_taken(text, expected):
    assert found(text) == expected


def test_in_a_puzzle_a_comma_separates():
    assert found("10*2=20,100", commas_separate=True) == [("10*2", 20, True)]


@pytest.mark.parametrize(
    "text",
    [
        "x+3=5",
        "2x=6",
        "2^3+1=9",
        "50%*2=100",
        "1/0=3",
        "3(4)=12",
        "f(3)+1=4",
        "3+5=8x",
        "3 7+2=39",
        "a = b",
        "==",
        "1=1",
        "1234567*2=2469134",
        "x - 3 = 5",
        "27/6 = 4 with a remainder of 3",
        r"27/6 = 4 \text{ remainder } 3",
        "27÷6=4余3",
        "7 = 2 * 7 * sin(t)",
        "18 * 1.5 = 18 * (1",
        "f'(2) = 12*4",
        "C(8, 2) = 7*4",
        r"\log 2 - 1 = -4",
        r"\log_{2} 8 = 1+2",
        "20% of 50 = 5*2",
        "(a, 4-(-1)) = (-4, 5)",
        "2 = .05*50",
    ],
)
def test_what_cannot_be_judged_is_no_equation(text):
    assert found(text) == []


def test_places_are_those_of_the_text():
    text = r"we get 3 \times 4 = 12, then 12×2=24."
    assert [text[each.start : each.end].strip() for each in equations(text)] == [r"3 \times 4 = 12", "12×2=24"]


@pytest.mark.parametrize(
    "text",
    [
        "1+" * 25000 + "=3",
        "1=" * 25000,
        "(" * 50000 + "=1",
        "9" * 50000 + "=1",
        "1+1=2.3" * 7000,
        "1 " * 25000 + "=1",
        "=1.5+1" * 8000,
        "1,111" * 10000,
    ],
)
def test_hostile_lines_cost_little(text):
    start = time.process_time()
    equations(text)
    assert time.process_time() - start < 3
