"""Equal by type and value; text by tokens."""

import math
from collections import namedtuple

import pytest

from dunwu.verifiers.code.compare import TEXT_CHECKERS, VALUE_CHECKERS, equal, same_numbers, same_tokens


class Sly(int):
    def __eq__(self, _other):
        return True

    __hash__ = int.__hash__


Point = namedtuple("Point", "x y")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (1, 1, True),
        (1, True, False),
        (True, 1, False),
        (0, False, False),
        (1, 1.0, True),
        (0.3, 0.1 + 0.2, True),
        (1.0, True, False),
        (0.3, 0.31, False),
        (1e9, 1e9 + 1, True),
        (10**9, 10**9 + 1, False),
        (10**400, float("inf"), False),
        (1.5, 10**400, False),
        (math.nan, math.nan, False),
        (math.inf, math.inf, False),
        ("1", 1, False),
        ([1], (1,), False),
        ((1, 2), Point(1, 2), False),
        (1, Sly(7), False),
        ([1, [2.0]], [1, [2]], True),
        ([1], [1, 2], False),
        ({1: 2.0}, {1: 2}, True),
        ({1: 2}, {True: 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({1, 2}, {2, 1}, True),
        ({1}, {True}, False),
        (None, False, False),
        ("a", "a", True),
        (nested(50), nested(50), True),
        (nested(500), nested(500), False),
        (nested(50_000), nested(50_000), False),
    ],
)
def test_equal(expected, actual, same):
    assert equal(expected, actual, None) is same


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "same"),
    [
        ("1 2\n3\n", "1  2 \n3", None, True),
        ("1 2\n", "1\n2\n", None, False),
        ("1\n", "1\n\n\n", None, True),
        ("1\n", "\n1\n", None, False),
        ("a\r\nb\r\n", "a\nb\n", None, True),
        ("0.5", "0.50000001", None, True),
        ("0.5", "0.51", None, False),
        ("0.5", "nan", None, False),
        ("0.5", "5e-1", None, True),
        ("1", "1.0", None, False),
        ("1", "1.0", 1e-6, True),
        ("1000000007", "1000000008", 1e-6, False),
        ("7", "07", None, False),
        ("12e4", "120000", None, False),
        ("12e4", "120000", 1e-6, False),
        ("1e-07", "0.0000001", None, True),
        ("100000.0", "1.0E5", None, True),
        ("7", "٧", 1e-6, False),
        ("1000.5", "1_000.5", None, False),
        ("Case #1: 0.25", "Case #1: 0.2500001", 1e-6, True),
        ("nan", "nan", None, True),
        ("inf", "1e999", 1e-6, False),
        ("1.5", "9" * 5000, 1e-6, False),
        ("YES", "yes", None, False),
        ("1.5", "9" * 1_000_000 + "x", 1e-6, False),
    ],
)
def test_tokens(expected, actual, tolerance, same):
    assert same_tokens(expected, actual, tolerance) is same


@pytest.mark.parametrize(
    ("checker", "expected", "actual", "same"),
    [
        ("exact", "a  b \n", "a  b\n", True),
        ("exact", "a  b", "a b", False),
        ("caseless", "YES", "Yes", True),
        ("floats", "3 4", "3.0000001\n4", True),
        ("floats", "3 4", "3 4.1", False),
        ("unordered_lines", "1 2\n3\n3", "3\n1  2\n3", True),
        ("unordered_lines", "1\n3\n3", "3\n1\n1", False),
        ("any_of", "['1 2', '2 1']", "2 1\n", True),
        ("any_of", "['1 2', '2 1']", "2 2\n", False),
    ],
)
def test_text_checkers(checker, expected, actual, same):
    assert TEXT_CHECKERS[checker](expected, actual, None) is same


@pytest.mark.parametrize(
    ("checker", "expected", "actual", "same"),
    [
        ("equal", [[1, 2]], [(1, 2)], False),
        ("lists", [[1, 2]], ((1, 2),), True),
        ("lists", {"a": [1.0]}, {"a": (1,)}, True),
        ("lists", [1], (True,), False),
        ("lists", [1], (1, 2), False),
        ("lists", (1, 2), [1, 2], False),
        ("lists", [1, 2], {1, 2}, False),
        ("lists", [1, 2], Point(1, 2), False),
        ("set", {1, 2}, [2, 1, 1], True),
        ("set", {1, 2}, [True, 2], False),
        ("set", {"a", "b"}, "ab", False),
        ("set", {1}, [[1]], False),
        ("set", {1, 2}, [n * (2**61 - 1) for n in range(100_000)], False),
        ("unordered", [1, 2.0, 2], (2, 1, 2), True),
        ("unordered", [1, 2, 2], [1, 1, 2], False),
        ("any_of", [(1, 2), (2, 1)], (2, 1), True),
        ("any_of", [(1, 2), (2, 1)], [2, 1], False),
        ("true", True, [0], True),
        ("true", True, [], False),
        ("true", True, math.nan, False),
        ("false", False, 0, True),
        ("false", False, math.nan, False),
    ],
)
def test_value_checkers(checker, expected, actual, same):
    assert VALUE_CHECKERS[checker](expected, actual, None) is same


def test_a_tolerance_of_nothing_is_exact():
    assert not same_numbers("0.3", "0.30000001", 0.0)
    assert not equal(0.3, 0.1 + 0.2, 0.0)
