"""Compare what a program printed or returned with what was expected. Checkers are values in two tables.

Numbers: integers are compared exactly, whatever the tolerance. If either side is a decimal or float, they are equal within the
tolerance, ``|a - b| <= tolerance * max(1, |b|)``. NaN and infinity equal nothing (as text: only the identical text).
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

TOLERANCE = 1e-6
"""For floats, if a problem gives no tolerance."""
MAX_DEPTH = 100
"""Values nested deeper equal nothing: a comparison must not exhaust the stack."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+][0-9]{1,4})?|(?:[0-9]++\.[0-9]*+|\.[0-9]++)[eE][0-9]{1,4})")
"""``12e4``, with neither a point nor a sign in the exponent, may be hexadecimal and is not a number."""
MAX_NUMBER = 400
"""Characters of a number in text; a longer token is not a number."""

TextChecker = Callable[[str, str, float | None], bool]
ValueChecker = Callable[[Any, Any, float | None], bool]
"""``(expected, actual, tolerance)``; a tolerance of ``None`` means `TOLERANCE`, for text only if a decimal is expected."""


def lines_of(text: str) -> list[str]:
    """Lines without trailing white space and without empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]


def same_lines(expected: str, actual: str, _tolerance: float | None) -> bool:
    """The same text, apart from white space at line ends and empty lines at the end."""
    return lines_of(expected) == lines_of(actual)


def same_tokens(expected: str, actual: str, tolerance: float | None) -> bool:
    """The same words line by line, with any spacing; decimals within the tolerance."""
    wanted, given = lines_of(expected), lines_of(actual)
    return len(wanted) == len(given) and all(
        left == right or _same_line(left.split(), right.split(), tolerance) for left, right in zip(wanted, given, strict=True)
    )


def same_caseless(expected: str, actual: str, tolerance: float | None) -> bool:
    """`same_tokens` ignoring case, as in ``YES`` and ``Yes``."""
    return same_tokens(expected.casefold(), actual.casefold(), tolerance)


def same_numbers(expected: str, actual: str, tolerance: float | None) -> bool:
    """`same_tokens`, but integers within the tolerance too, and line breaks count as spaces."""
    tolerance = TOLERANCE if tolerance is None else tolerance
    wanted, given = expected.split(), actual.split()
    return len(wanted) == len(given) and all(a == b or _near_tokens(a, b, tolerance) for a, b in zip(wanted, given, strict=True))


def same_unordered_lines(expected: str, actual: str, _tolerance: float | None) -> bool:
    """The same lines, each the same number of times, in any order; words with any spacing."""
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
    """True if two tokens that differ as text are the same number."""
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
    except OverflowError:  # an integer too large for a float
        return False


def equal(expected: Any, actual: Any, tolerance: float | None, depth: int = 0, tuples: bool = False) -> bool:
    """The same value of the same type, recursively: a bool is not an integer, a list is not a tuple.

    An integer may equal a float, and with ``tuples`` a tuple may equal an expected list. Sets and keys of mappings are compared exactly,
    values of mappings like other values.
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
    """`equal`, but a tuple may equal an expected list: a problem in JSON cannot contain tuples, but a program may return them."""
    return equal(expected, actual, tolerance, tuples=True)


def _exact_set(values: Any) -> set[tuple[type, Any]]:
    """``values`` with their types, since 1 and True are the same member of a set."""
    return {(type(value), value) for value in values}


def same_set(expected: Any, actual: Any, _tolerance: float | None) -> bool:
    """``set(actual) == set(expected)``, as in some asserts; a string does not count as a collection of letters.

    The length is bounded, since a long set of numbers whose hashes collide takes quadratic time.
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
"""Checkers that need only the truth of a value."""
