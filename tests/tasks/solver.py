"""An exact solver of Countdown and the Game of 24."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

Term = tuple[Fraction, str]
"""A value and an expression for it, parenthesised unless it is a single number."""


def solutions(numbers: Sequence[int], target: int, limit: int) -> list[str]:
    """At most ``limit`` different expressions that use each number once and equal ``target`` exactly, such as ``"(5+(6/2))*3"``.

    Every operation but the outermost is parenthesised. Orders of ``+`` and ``*`` are not told apart, so ``2+3`` is found once.
    """
    found: dict[str, None] = {}
    if limit <= 0 or not numbers:
        return []
    for expression in _expressions([(Fraction(number), str(number)) for number in numbers], Fraction(target)):
        found[_without_outer_parentheses(expression)] = None
        if len(found) == limit:
            break
    return list(found)


def _expressions(terms: list[Term], target: Fraction) -> Iterator[str]:
    """Reduce two terms to one in every way, until one is left that equals ``target``."""
    if len(terms) == 1:
        if terms[0][0] == target:
            yield terms[0][1]
        return
    for left, right in combinations(range(len(terms)), 2):
        rest = [term for position, term in enumerate(terms) if position not in (left, right)]
        for combined in _combine(terms[left], terms[right]):
            yield from _expressions([*rest, combined], target)


def _combine(left: Term, right: Term) -> Iterator[Term]:
    a, a_text = left
    b, b_text = right
    yield a + b, f"({a_text}+{b_text})"
    yield a * b, f"({a_text}*{b_text})"
    yield a - b, f"({a_text}-{b_text})"
    yield b - a, f"({b_text}-{a_text})"
    if b:
        yield a / b, f"({a_text}/{b_text})"
    if a:
        yield b / a, f"({b_text}/{a_text})"


def _without_outer_parentheses(expression: str) -> str:
    return expression[1:-1] if expression.startswith("(") else expression
