"""Values of an expression at fixed pseudo-random points: two expressions that differ at a point are not equal.

The arithmetic is a parameter: ``cmath`` in this process (microseconds), ``mpmath`` with 320 digits in the worker process.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dunwu.verifiers.math.syntax import Call, Node, Number, Power, Product, Sum, Symbol

POSITIVE = (0.4, 1.0, 2.7, 7.0, 29.0, 130.0, 1009.0)
"""Scales of the points at which all symbols are positive."""
NEGATIVE = (0.7, 9.0, 160.0)
"""Scales of the points at which all symbols are negative."""
MIXED = 2 * (3.1, 9.0, 35.0, 160.0, 0.6, 1200.0)
"""Scales of the points with symbols of both signs. They are twice six, so that any two letters get all combinations of signs."""
GRIDS = (("twelfth", 1), ("square", 1), ("half", 1), ("twelfth", 1), ("square", 1), ("half", 1), ("twelfth", -1), ("half", -1))
"""Grids of points at which floors and ceilings hit integers, with the sign of the symbols there."""
REACH = 3
"""Points of each sign reach this many times beyond the largest number of the expressions, so that ``x + 5000`` changes its sign."""
TOLERANCE = 1e-7
"""Relative; far above the rounding of doubles, so that a difference is real."""
ROUNDING = 1e-10
"""Relative to the largest intermediate summand: smaller differences are lost to cancellation."""
MAX_COMBINATORIAL = 150
LARGEST_EXPONENT = 1e6
LARGEST_ANGLE = 1e250
_FUNCTIONS = frozenset({"sin", "cos", "tan", "sinh", "cosh", "tanh"})
_INVERSES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh"}
_RECIPROCALS = {"cot": "tan", "sec": "cos", "csc": "sin", "coth": "tanh", "sech": "cosh", "csch": "sinh"}


class NoValue(ValueError):
    """The expression cannot be evaluated at this point."""


@dataclass(frozen=True, slots=True)
class Point:
    """Values of symbols: near ``scale``, all positive (``sign`` 1), all negative (-1) or of both signs (0)."""

    place: int
    scale: Fraction
    sign: int
    grid: str = ""
    """``twelfth``: multiples of 12; ``square``: squares of even integers; ``half``: halves of odd integers."""


@dataclass(slots=True)
class Context:
    """An arithmetic: a module with ``sin``, ``log`` ..., its conversion of fractions, and its i, pi and e.

    ``largest`` is the largest absolute value that was added since it was set to 0.
    """

    module: Any
    gamma: Any
    number: Any
    constants: dict[str, Any]
    largest: Any = 0.0


def doubles() -> Context:
    """Complex doubles."""
    constants = {"i": 1j, "pi": complex(cmath.pi), "e": complex(cmath.e)}
    return Context(cmath, lambda value: math.gamma(value.real), lambda value: complex(value.numerator / value.denominator), constants)


def points(*nodes: Node) -> tuple[Point, ...]:
    """Fixed points, plus some beyond the numbers in ``nodes``. The first is positive and small."""
    largest = max(_numbers(nodes), default=Fraction(0))
    scales = [*((scale, 1) for scale in POSITIVE), *((scale, -1) for scale in NEGATIVE), *((scale, 0) for scale in MIXED)]
    exact = [(Fraction(scale).limit_denominator(10), sign) for scale, sign in scales]
    if 10 < largest < 10**12:
        exact += [(REACH * largest, sign) for sign in (1, -1, 0, 0, 0, 0, 0)]
    found = [Point(place, scale, sign) for place, (scale, sign) in enumerate(exact)]
    if any(map(_rounds, nodes)):  # floors and ceilings of other numbers differ by one everywhere
        found += [Point(len(found) + place, Fraction(29 + 100 * (place % 2)), sign, grid) for place, (grid, sign) in enumerate(GRIDS)]
    return tuple(found)


def _rounds(node: Node) -> bool:
    """True if ``node`` contains a floor or a ceiling."""
    match node:
        case Call(name, children):
            return name in ("floor", "ceil") or any(map(_rounds, children))
        case Sum(children) | Product(children):
            return any(map(_rounds, children))
        case Power(base, exponent):
            return _rounds(base) or _rounds(exponent)
    return False


def _numbers(nodes: Iterable[Node]) -> Iterator[Fraction]:
    for node in nodes:
        match node:
            case Number(value):
                yield abs(value)
            case Sum(children) | Product(children) | Call(_, children):
                yield from _numbers(children)
            case Power(base, exponent):
                yield from _numbers((base, exponent))


FIRST = points()[0]


def evaluate(node: Node, point: Point, context: Context) -> Any:
    """The complex value at a point; raises `NoValue`, `OverflowError`, `ZeroDivisionError` or `ValueError` if there is none."""
    match node:
        case Number(value):
            return context.number(value)
        case Symbol(name):
            return context.constants[name] if name in context.constants else context.number(_sample(name, point))
        case Sum(terms):
            total = context.number(Fraction(0))
            for term in terms:
                value = evaluate(term, point, context)
                context.largest = max(context.largest, abs(value))
                total = total + value
            return total
        case Product(factors):
            value = context.number(Fraction(1))
            for factor in factors:
                value = value * evaluate(factor, point, context)
            return value
        case Power(base, exponent):
            return _power(evaluate(base, point, context), exponent, point, context)
        case Call(name, arguments):
            return _call(name, [evaluate(argument, point, context) for argument in arguments], context)


def differ(left: Node, right: Node) -> bool:
    """True if the expressions have clearly different values at some point. ``False`` proves nothing.

    A right-hand side that overflows at the smallest point, while the left one has a value there, differs too.
    """
    for point in points(left, right):
        context = doubles()
        try:
            expected = evaluate(left, point, context)
        except (ArithmeticError, ValueError, RecursionError):
            continue
        try:
            found = evaluate(right, point, context)
        except OverflowError:
            if point.place == 0:
                return True
            continue
        except (ArithmeticError, ValueError, RecursionError):
            continue
        if not cmath.isfinite(expected) or not cmath.isfinite(found) or not comparable(expected, found, point, TOLERANCE):
            continue
        if abs(expected - found) > max(TOLERANCE * max(abs(expected), abs(found)), ROUNDING * context.largest):
            return True
    return False


def comparable(expected: Any, found: Any, point: Point, tolerance: Any) -> bool:
    """If symbols are negative, an expected value that is not real decides nothing: its root or logarithm is meant for positive ones."""
    return point.sign > 0 or abs(expected.imag) <= tolerance * abs(expected)


def _sample(name: str, point: Point) -> Fraction:
    """A fixed number for each name and point, at most 20 % above the point's scale."""
    if name == "\\infty":
        raise NoValue("infinity")
    code = zlib.crc32(f"{name} {point.place}".encode())
    bits = ord(name) if len(name) == 1 else code
    negative = point.sign < 0 or (point.sign == 0 and (bits >> point.place % 6 & 1) ^ (point.place // 6 & 1))
    size = point.scale * Fraction(code % 99991 + 499955, 499955)
    match point.grid:
        case "twelfth":
            size = Fraction(12 * round(size / 12))
        case "square":
            size = Fraction((2 * round(float(size) ** 0.5 / 2)) ** 2)
        case "half":
            size = Fraction(2 * round(size) + 1, 2)
    return size * (-1 if negative else 1)


def _power(base: Any, exponent: Node, point: Point, context: Context) -> Any:
    """A power; a negative real to a fraction with an odd denominator is real, like its root."""
    value = evaluate(exponent, point, context)
    _bounded(value, LARGEST_EXPONENT)
    fraction = _fraction(exponent)
    if fraction is not None and fraction.denominator % 2 and fraction.denominator > 1 and base.imag == 0 and base.real < 0:
        return (-1) ** (fraction.numerator % 2) * (-base) ** value
    return base**value


def _bounded(value: Any, most: float) -> None:
    """Raise ``OverflowError`` for a value that takes seconds, or more digits than are kept, to compute."""
    if abs(value) > most:
        raise OverflowError(f"more than {most:g}")


def _fraction(node: Node) -> Fraction | None:
    """The value of an exponent such as ``5/3`` as parsed: a number, or a product of numbers and inverses of numbers."""
    match node:
        case Number(value):
            return value
        case Product(factors):
            values = [_fraction(factor) for factor in factors]
            return None if None in values else math.prod((value for value in values if value is not None), start=Fraction(1))
        case Power(Number(base), Number(exponent)) if exponent == -1 and base:
            return 1 / base
    return None


def _call(name: str, values: list[Any], context: Context) -> Any:
    module, value = context.module, values[0]
    if name in _FUNCTIONS:
        _bounded(value, LARGEST_EXPONENT if name.endswith("h") else LARGEST_ANGLE)
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
    if name in ("factorial", "binom"):
        return _combinatorial(values, context)
    if name in ("floor", "ceil") and value.imag == 0:
        return context.number(Fraction(_rounded(name, value.real, context)))
    raise NoValue(name)


def _rounded(name: str, value: Any, context: Context) -> int:
    """The floor or ceiling; a value that is an integer up to rounding is that integer."""
    near = math.floor(value + 0.5)
    if abs(value - near) <= (1e-9 if context.module is cmath else context.module.mpf(10) ** -300) * max(1, abs(near)):
        return int(near)
    return int(math.floor(value) if name == "floor" else math.ceil(value))


def _root(value: Any, degree: Any, context: Context) -> Any:
    """The root; real for a negative real and an odd degree."""
    if value.imag == 0 and value.real < 0 and degree.imag == 0 and degree.real % 2 == 1:
        return -((-value) ** (1 / degree))
    return value ** (1 / degree)


def _combinatorial(values: list[Any], context: Context) -> Any:
    """``n!`` and ``n`` choose ``k`` by the gamma function, for reals of moderate size."""
    if any(value.imag != 0 or abs(value.real) > MAX_COMBINATORIAL for value in values):
        raise NoValue("a factorial")
    if len(values) == 1:
        return context.number(Fraction(0)) + context.gamma(values[0] + 1)
    top, bottom = values
    return context.number(Fraction(0)) + context.gamma(top + 1) / (context.gamma(bottom + 1) * context.gamma(top - bottom + 1))
