from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.verifiers.expression import MAX_DEPTH, MAX_LENGTH, NotAnExpression, parse_expression


@pytest.mark.parametrize(
    ("text", "value", "numbers"),
    [
        ("7", 7, (7,)),
        ("1 + 2 * 3", 7, (1, 2, 3)),
        ("(1 + 2) * 3", 9, (1, 2, 3)),
        ("10 - 4 - 3", 3, (10, 4, 3)),
        ("24 / 4 / 2", 3, (24, 4, 2)),
        ("8 / (3 - 8 / 3)", 24, (8, 3, 8, 3)),
        ("1 / 3 + 1 / 6", Fraction(1, 2), (1, 3, 1, 6)),
        ("6 ÷ 4 × 2 − 1", 2, (6, 4, 2, 1)),
        ("（1+2）*3", 9, (1, 2, 3)),
        ("2 - 3 * 4 + 5", -5, (2, 3, 4, 5)),
        ("\t( ( 5 ) ) ", 5, (5,)),
    ],
)
def test_values_are_exact(text, value, numbers):
    expression = parse_expression(text)
    assert (expression.value, expression.numbers) == (value, numbers)
    assert isinstance(expression.value, Fraction)


REFUSED = [
    *["", " ", "()", "(", ")", "+", "1 +", "+ 1", "1 + + 2", "1 - - 2", "-3 + 8", "+3", "* 2", "(1", "1)", "(1))((2)", ")1("],
    *["3 7", "3(4)", "(3)(4)", "(1+2)3", "2 ** 3", "2^3", "7 // 2", "7 % 2", "1.5 + 2", ".5", "1e3", "0x10", "1_000", "1,000", "3!"],
    *["1 = 1", "1 < 2", "1 == 1", "3 > 2", "a", "x + 1", "__import__('os')", "1 if 1 else 2", "[1]", "1;2", "1 + 2\n", "1\u00a0+ 2"],
    *["３ + 4", "2²", "٣ + 1", "½", "①", "3\u200b7", "\\frac{1}{2}", "2·3", "\x00", "\ud800"],
    *["1234567", "9" * 2000, "(" * 2000, "(" * 51 + "1" + ")" * 51, "1+" * 5000 + "1", " " * 10_000],
]


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_rejected(text):
    with pytest.raises(NotAnExpression):
        parse_expression(text)


def test_bounds_are_met_exactly():
    assert parse_expression("(" * MAX_DEPTH + "999999" + ")" * MAX_DEPTH).value == 999_999
    longest = "1+" * (MAX_LENGTH // 2 - 1) + "1"
    assert parse_expression(longest).value == MAX_LENGTH // 2
    nines = "*".join(["999999"] * 290)
    assert parse_expression(nines).value == 999_999**290


def test_division_by_zero_has_no_value():
    with pytest.raises(ZeroDivisionError):
        parse_expression("1 / (2 - 2)")


trees = st.recursive(
    st.integers(0, 999_999).map(lambda n: (str(n), Fraction(n), (n,))),
    lambda child: st.tuples(child, st.sampled_from("+-*/"), child).map(lambda parts: combine(*parts)),
    max_leaves=12,
)


def combine(left, operator, right):
    """Text with every parenthesis, the value (None: none), and the numbers."""
    text, numbers = f"({left[0]} {operator} {right[0]})", left[2] + right[2]
    if left[1] is None or right[1] is None or (operator == "/" and right[1] == 0):
        return text, None, numbers
    values = {"+": left[1] + right[1], "-": left[1] - right[1], "*": left[1] * right[1]}
    return text, left[1] / right[1] if operator == "/" else values[operator], numbers


@given(trees)
def test_random_trees_evaluate_like_fractions(tree):
    text, value, numbers = tree
    if value is None:
        with pytest.raises(ZeroDivisionError):
            parse_expression(text)
    else:
        expression = parse_expression(text)
        assert (expression.value, expression.numbers) == (value, numbers)


@given(st.lists(st.tuples(st.integers(1, 99), st.sampled_from("+-*/")), min_size=1, max_size=8))
def test_without_parentheses_python_agrees_on_precedence(terms):
    text = "".join(f"{number} {operator} " for number, operator in terms) + "7"
    fractions = "".join(f"Fraction({number}) {operator} " for number, operator in terms) + "Fraction(7)"
    assert parse_expression(text).value == eval(fractions)  # the test's own text, digits and operators only


@given(st.text() | st.text(alphabet="0123456789+-*/() =²３x", max_size=60))
def test_no_text_raises_anything_else(text):
    try:
        expression = parse_expression(text)
    except (NotAnExpression, ZeroDivisionError):
        return
    assert len(expression.numbers) >= 1
