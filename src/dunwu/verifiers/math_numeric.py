"""Values of an expression at fixed pseudo-random points: what two expressions differ at, they are not equal at all.

The arithmetic is a parameter: ``cmath`` here (microseconds), ``mpmath`` with 120 digits in the worker process.
"""

from __future__ import annotations

import cmath
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dunwu.verifiers.math_syntax import Call, Node, Number, Power, Product, Sum, Symbol

POINTS = 3
TOLERANCE = 1e-7
"""Relative; far above the rounding of doubles, so that a difference is a real one."""
_FUNCTIONS = frozenset({"sin", "cos", "tan", "sinh", "cosh", "tanh"})
_INVERSES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh"}
_RECIPROCALS = {"cot": "tan", "sec": "cos", "csc": "sin", "coth": "tanh", "sech": "cosh", "csch": "sinh"}


class NoValue(ValueError):
    """The expression cannot be evaluated here."""


@dataclass(frozen=True, slots=True)
class Context:
    """An arithmetic: a module with ``sin``, ``log`` ..., and its conversion of fractions and of i, pi and e."""

    module: Any
    number: Any
    constants: dict[str, Any]


DOUBLE = Context(cmath, lambda value: complex(value.numerator / value.denominator), {"i": 1j, "pi": cmath.pi, "e": cmath.e})


def evaluate(node: Node, point: int, context: Context = DOUBLE) -> Any:
    """The complex value at a point; raises `NoValue`, `OverflowError`, `ZeroDivisionError` or `ValueError` where there is none."""
    match node:
        case Number(value):
            return context.number(value)
        case Symbol(name):
            return context.constants[name] if name in context.constants else context.number(_sample(name, point))
        case Sum(terms):
            return sum((evaluate(term, point, context) for term in terms), context.number(Fraction(0)))
        case Product(factors):
            value = context.number(Fraction(1))
            for factor in factors:
                value = value * evaluate(factor, point, context)
            return value
        case Power(base, exponent):
            return evaluate(base, point, context) ** evaluate(exponent, point, context)
        case Call(name, arguments):
            return _call(name, [evaluate(argument, point, context) for argument in arguments], context)


def differ(left: Node, right: Node) -> bool:
    """Do the expressions have clearly different values at some point? ``False`` proves nothing.

    A right-hand side that overflows where the left one has a value differs too.
    """
    for point in range(POINTS):
        try:
            expected = evaluate(left, point)
        except (ArithmeticError, ValueError, RecursionError):
            continue
        try:
            found = evaluate(right, point)
        except OverflowError:
            return True
        except (ArithmeticError, ValueError, RecursionError):
            continue
        size = max(abs(expected), abs(found))
        if not cmath.isfinite(expected) or not cmath.isfinite(found):
            continue
        if abs(expected - found) > TOLERANCE * size:
            return True
    return False


def _sample(name: str, point: int) -> Fraction:
    """A fixed number between 0.5 and 2 for each name and point."""
    if name == "\\infty":
        raise NoValue("infinity")
    return Fraction(zlib.crc32(f"{name} {point}".encode()) % 99991 + 49999, 99991)


def _call(name: str, values: list[Any], context: Context) -> Any:
    module, value = context.module, values[0]
    if name in _FUNCTIONS:
        return getattr(module, name)(value)
    if name in _INVERSES:
        return getattr(module, _INVERSES[name])(value)
    if name in _RECIPROCALS:
        return 1 / getattr(module, _RECIPROCALS[name])(value)
    if name == "log":
        return module.log(value) / module.log(values[1])
    if name == "abs":
        return context.number(Fraction(0)) + abs(value)
    if name == "root":
        return _root(value, values[1], context)
    raise NoValue(name)


def _root(value: Any, degree: Any, context: Context) -> Any:
    """Real for an odd degree of a negative real."""
    if value.imag == 0 and value.real < 0 and degree.imag == 0 and degree.real % 2 == 1:
        return -((-value) ** (1 / degree))
    return value ** (1 / degree)
