"""Countdown and the Game of 24: make the target with each number exactly once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from dunwu.types import Problem, Verdict
from dunwu.verifiers.expression import MAX_LENGTH, NotAnExpression, parse_expression

_SEPARATOR = re.compile(r"[,;，、；|\n\r]|\b(?:or|and)\b|或|和", re.IGNORECASE)
_INTEGER = re.compile(r"[-−]?[0-9]{1,12}")


def verify_expression(problem: Problem, answer: str) -> Verdict:
    """`make_target` for ``data["numbers"]`` and ``data["target"]``; raises `KeyError` if the problem lacks them."""
    return make_target(problem.data["numbers"], problem.data["target"], answer)


def make_target(numbers: Sequence[int], target: int | str, answer: str) -> Verdict:
    """Check that ``answer`` uses each of ``numbers`` exactly once and makes ``target`` exactly.

    One trailing ``= t`` is allowed if ``t`` is the target, written as an integer. An answer that offers more than one
    expression or value (comma, ``or``, a new line, a chain of equals signs) is wrong, even if one of them is right.
    """
    goal, answer = Fraction(target), answer.strip()
    if len(answer) > MAX_LENGTH:
        return Verdict(0.0, "unparsable", f"{len(answer)} characters, at most {MAX_LENGTH}")
    left, equals, right = answer.partition("=")
    if _SEPARATOR.search(answer):
        return Verdict(0.0, "wrong", "several expressions")
    try:
        expression = parse_expression(left)
    except NotAnExpression as error:
        return Verdict(0.0, "unparsable", str(error))
    except ZeroDivisionError:
        return Verdict(0.0, "wrong", "division by zero")
    if sorted(expression.numbers) != sorted(numbers):
        return Verdict(0.0, "wrong", f"uses {list(expression.numbers)}"[:100])
    if equals and not _is_integer(right.strip(), goal):
        return Verdict(0.0, "wrong", "the right-hand side is not the target")
    if expression.value != goal:
        return Verdict(0.0, "wrong", "not the target")
    return Verdict(1.0, "correct")


def _is_integer(text: str, value: Fraction) -> bool:
    return _INTEGER.fullmatch(text) is not None and int(text.replace("−", "-")) == value
