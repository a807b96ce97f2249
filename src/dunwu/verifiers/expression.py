"""A small parser for arithmetic expressions: exact fractions, never ``eval``.

Grammar: ``+ - * / × ÷``, the minus sign U+2212, round parentheses (also full-width), integers in ASCII digits, spaces and tabs.
Nothing else: no powers, no sign before a number (it would be a free operation), no decimals, no digits of other scripts, no implied
multiplication (``3(4)``), no adjacent numbers (``3 7`` is not 37).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

Exact = int | Fraction
"""Integers stay integers as long as possible: fractions cost twenty times as much."""

MAX_LENGTH = 2048
MAX_DEPTH = 50
MAX_DIGITS = 6

_TOKEN = re.compile(r"[ \t]*+(?:([0-9]+)|([-+*/()]))[ \t]*+")
_SPELLING = str.maketrans({"×": "*", "÷": "/", "−": "-", "（": "(", "）": ")"})
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}


class NotAnExpression(ValueError):
    """The text is outside the grammar or exceeds a bound; the message says which."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An evaluated expression: its exact value and the numbers it uses, in order of appearance."""

    value: Fraction
    numbers: tuple[int, ...]


def parse_expression(text: str) -> Expression:
    """Evaluate ``text``. Raises `NotAnExpression`, or `ZeroDivisionError` if the expression has no value.

    Length, depth and digits are bounded before evaluation.
    """
    tokens = _tokenise(text)
    parser = _Parser(tokens)
    value = parser.expression(1)
    if parser.position != len(tokens):
        raise NotAnExpression(f"unexpected {str(tokens[parser.position])!r}")
    return Expression(Fraction(value), tuple(token for token in tokens if isinstance(token, int)))


def _tokenise(text: str) -> list[int | str]:
    if len(text) > MAX_LENGTH:
        raise NotAnExpression(f"{len(text)} characters, at most {MAX_LENGTH}")
    text = text.translate(_SPELLING)
    tokens: list[int | str] = []
    position = depth = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotAnExpression(f"unexpected {text[position : position + 12]!r}")
        digits, symbol = match.groups()
        if digits and len(digits) > MAX_DIGITS:
            raise NotAnExpression(f"a number of {len(digits)} digits, at most {MAX_DIGITS}")
        depth += (symbol == "(") - (symbol == ")")
        if depth > MAX_DEPTH:
            raise NotAnExpression(f"more than {MAX_DEPTH} nested parentheses")
        tokens.append(int(digits) if digits else symbol)
        position = match.end()
    return tokens


class _Parser:
    """Precedence climbing over the tokens; recursion is at most three calls per open parenthesis."""

    def __init__(self, tokens: list[int | str]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self) -> int | str:
        return self.tokens[self.position] if self.position < len(self.tokens) else "the end"

    def expression(self, precedence: int) -> Exact:
        """Operators that bind at least as tightly as ``precedence``, left to right."""
        value = self.operand()
        while _PRECEDENCE.get(operator := str(self.peek()), 0) >= precedence:
            self.position += 1
            value = _apply(operator, value, self.expression(_PRECEDENCE[operator] + 1))
        return value

    def operand(self) -> Exact:
        """A number or an expression in parentheses."""
        token = self.peek()
        self.position += 1
        if isinstance(token, int):
            return token
        if token != "(":
            raise NotAnExpression(f"a number is missing before {token!r}")
        value = self.expression(1)
        if self.peek() != ")":
            raise NotAnExpression("a parenthesis is not closed")
        self.position += 1
        return value


def _apply(operator: str, left: Exact, right: Exact) -> Exact:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            quotient = Fraction(left) / right
            return quotient.numerator if quotient.denominator == 1 else quotient
