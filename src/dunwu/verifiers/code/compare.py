"""Is what a program printed or returned what was expected? Checkers as values in two tables.

Numbers: equal integers are equal exactly, whatever the tolerance; where either side is a decimal or float they are equal within the
tolerance, ``|a - b| <= tolerance * max(1, |b|)``. Not a number and infinity equal nothing (as text: only themselves, letter by letter).
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

TOLERANCE = 1e-6
"""Of floats where a problem gives none."""
MAX_DEPTH = 100
"""Values nested deeper are equal to nothing: a comparison must not run out of stack."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+][0-9]{1,4})?|(?:[0-9]++\.[0-9]*+|\.[0-9]++)[eE][0-9]{1,4})")
"""Without a point and without a sign in the exponent, ``12e4`` may as well be hexadecimal."""
MAX_NUMBER = 400
"""Characters of a number in text; more are no number."""

TextChecker = Callable[[str, str, float | None], bool]
ValueChecker = Callable[[Any, Any, float | None], bool]
"""``(expected, actual, tolerance)``; a tolerance of ``None``: `TOLERANCE`, and for text only where a decimal is expected."""


def lines_of(text: str) -> list[str]:
    """Lines without trailing white space, without empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]


def same_lines(expected: str, actual: str, _tolerance: float | None) -> bool:
    """The same text, but for white space at line ends and empty lines at the end."""
    return lines_of(expected) == lines_of(actual)


def same_tokens(expected: str, actual: str, tolerance: float | None) -> bool:
    """Line by line the same words, however far apart; decimals within the tolerance."""
    wanted, given = lines_of(expected), lines_of(actual)
    return len(wanted) == len(given) and all(
        left == right or _same_line(left.split(), right.split(), tolerance) for left, right in zip(wanted, given, strict=True)
    )


def same_caseless(expected: str, actual: str, tolerance: float | None) -> bool:
    """`same_tokens` whatever the case, as in ``YES`` and ``Yes``."""
    return same_tokens(expected.casefold(), actual.casefold(), tolerance)


def same_numbers(expected: str, actual: str, tolerance: float | None) -> bool:
    """`same_tokens`, integers within the tolerance too, line breaks as spaces."""
    tolerance = TOLERANCE if tolerance is None else tolerance
    wanted, given = expected.split(), actual.split()
    return len(wanted) == len(given) and all(a == b or _near_tokens(a, b, tolerance) for a, b in zip(wanted, given, strict=True))


def same_unordered_lines(expected: str, actual: str, _tolerance: float | None) -> bool:
    """The same lines, each as often, in any order; words however far apart."""
    wanted, given = (Counter(tuple(line.split()) for line in lines_of(text)) for text in (expected, actual))
    return wanted == given


def text_any_of(expected: str, actual: str, tolerance: float | None) -> bool:
    """`same_tokens` for one of the texts in ``expected``, a literal list."""
    return any(same_tokens(text, actual, tolerance) for text in ast.literal_eval(expected))


def _same_line(expected: Sequence[str], actual: Sequence[str], tolerance: float | None) -> bool:
    return len(expected) == len(actual) and all(
        left == right or _same_token(left, right, tolerance) for left, right in zip(expected, actual, strict=True)
    )


def _same_token(expected: str, actual: str, tolerance: float | None) -> bool:
    """Tokens that differ as text: can they be the same number?"""
    integer = _INTEGER.fullmatch(expected) is not None
    if integer and (tolerance is None or _INTEGER.fullmatch(actual)):
        return False
    return _near_tokens(expected, actual, TOLERANCE if tolerance is None else tolerance)


def _near_tokens(expected: str, actual: str, tolerance: float) -> bool:
    numbers = all(len(token) <= MAX_NUMBER and _NUMBER.fullmatch(token) for token in (expected, actual))
    return numbers and near(float(expected), float(actual), tolerance)


def near(expected: float, actual: float, tolerance: float) -> bool:
    """Finite and within the tolerance."""
    try:
        return math.isfinite(expected) and math.isfinite(actual) and abs(expected - actual) <= tolerance * max(1.0, abs(expected))
    except OverflowError:  # an integer beyond the floats
        return False


def equal(expected: Any, actual: Any, tolerance: float | None, depth: int = 0, tuples: bool = False) -> bool:
    """The same value of the same type, all the way down: a bool is no integer, a list no tuple.

    An integer and a float may stand for each other, and with ``tuples`` a tuple for a list. Sets and keys of mappings are compared exactly,
    the mappings' values like other values.
    """
    if depth > MAX_DEPTH:
        return False
    if isinstance(expected, float) or isinstance(actual, float):
        numbers = all(type(side) in (int, float) for side in (expected, actual))
        return numbers and near(expected, actual, TOLERANCE if tolerance is None else tolerance)
    if tuples and type(expected) is list and type(actual) is tuple:
        actual = list(actual)
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, list | tuple):
        return len(expected) == len(actual) and all(
            equal(a, b, tolerance, depth + 1, tuples) for a, b in zip(expected, actual, strict=True)
        )
    if isinstance(expected, dict):
        return _exact_set(expected) == _exact_set(actual) and all(
            equal(expected[key], actual[key], tolerance, depth + 1, tuples) for key in expected
        )
    if isinstance(expected, set | frozenset):
        return _exact_set(expected) == _exact_set(actual)
    return bool(expected == actual)


def equal_lists(expected: Any, actual: Any, tolerance: float | None) -> bool:
    """`equal`, and a tuple stands for a list: who states a problem in JSON has no tuples, and who answers it may prefer them."""
    return equal(expected, actual, tolerance, tuples=True)


def _exact_set(values: Any) -> set[tuple[type, Any]]:
    """With their types, as 1 and True are the same member of a set."""
    return {(type(value), value) for value in values}


def same_set(expected: Any, actual: Any, _tolerance: float | None) -> bool:
    """``set(actual) == set(expected)``, as some asserts say; a string is no collection of its letters.

    The length is bounded, as numbers whose hashes collide make a long set take quadratic time.
    """
    collection = isinstance(actual, list | tuple | set | frozenset | dict) and len(actual) <= 1000 + 10 * len(expected)
    try:
        return collection and _exact_set(actual) == _exact_set(expected)
    except TypeError:  # not hashable
        return False


def unordered(expected: Any, actual: Any, tolerance: float | None) -> bool:
    """A list or tuple with equal members in any order."""
    if not isinstance(actual, list | tuple) or len(actual) != len(expected):
        return False
    left = list(actual)
    for value in expected:
        place = next((place for place, other in enumerate(left) if equal(value, other, tolerance)), None)
        if place is None:
            return False
        del left[place]
    return True


def value_any_of(expected: Any, actual: Any, tolerance: float | None) -> bool:
    """Equal to one of ``expected``."""
    return any(equal(value, actual, tolerance) for value in expected)


TEXT_CHECKERS: Mapping[str, TextChecker] = {
    "exact": same_lines,
    "tokens": same_tokens,
    "floats": same_numbers,
    "caseless": same_caseless,
    "unordered_lines": same_unordered_lines,
    "any_of": text_any_of,
}
VALUE_CHECKERS: Mapping[str, ValueChecker] = {
    "equal": equal,
    "lists": equal_lists,
    "set": same_set,
    "unordered": unordered,
    "any_of": value_any_of,
    "true": lambda _expected, actual, _tolerance: bool(actual) and actual == actual,
    "false": lambda _expected, actual, _tolerance: not actual,
}
TRUTH = frozenset({"true", "false"})
"""Checkers that ask for the truth of a value only."""
