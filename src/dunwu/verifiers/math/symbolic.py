"""Decide with 320 digits (mpmath) what doubles leave open. Runs in the worker process only.

Two expressions of our grammar whose doubles agree are evaluated again at the same points. They are equal if 80 digits agree everywhere.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]

from dunwu.verifiers.math.compare import Equal, exact_equal
from dunwu.verifiers.math.numeric import Context, NoValue, Point, comparable, doubles, evaluate, points
from dunwu.verifiers.math.values import Scalar, symbols

mpmath.mp.dps = 320
AGREEMENT = mpmath.mpf(10) ** -80
ROUNDING = mpmath.mpf(10) ** -300
"""Relative to the largest intermediate summand: smaller differences are lost to cancellation."""
LARGEST_BESIDE_ZERO = mpmath.mpf(10) ** 20
"""The largest intermediate summand allowed if the expected value is 0."""


def _number(value: Fraction) -> Any:
    return mpmath.mpc(mpmath.mpf(value.numerator) / value.denominator)


def precise() -> Context:
    """Complex numbers of 320 digits."""
    constants = {"i": mpmath.mpc(0, 1), "pi": mpmath.mpc(mpmath.pi), "e": mpmath.mpc(mpmath.e)}
    return Context(mpmath.mp, mpmath.gamma, _number, constants)


def decide(gold: Scalar, found: Scalar) -> Equal:
    """`exact_equal`, or if that is undecided the comparison described above; an expression without a value equals nothing."""
    equal = exact_equal(gold, found)
    if equal is not None:
        return equal
    assert gold.node is not None
    assert found.node is not None
    agreed = lost = 0
    for point in filter(lambda point: _in_range(gold, found, point), points(gold.node, found.node)):
        context = precise()
        try:
            expected, value = evaluate(gold.node, point, context), evaluate(found.node, point, context)
        except (ArithmeticError, ValueError, NoValue):
            continue
        if not mpmath.isfinite(expected) or not mpmath.isfinite(value) or not comparable(expected, value, point, AGREEMENT):
            continue
        if not _is_decidable(abs(expected), context.largest):
            lost += 1
            continue
        if abs(expected - value) > max(AGREEMENT * max(abs(expected), abs(value)), ROUNDING * context.largest):
            return False
        agreed += 1
    return agreed > lost


def _is_decidable(size: Any, largest: Any) -> bool:
    """True if the possible loss to cancellation is small next to the expected value. Else ``5`` and ``1/(10^307 + x)`` would agree."""
    doubt = ROUNDING * largest
    return bool(largest <= LARGEST_BESIDE_ZERO if size <= doubt else doubt <= AGREEMENT * size)


def _in_range(gold: Scalar, found: Scalar, point: Point) -> bool:
    """True if all intermediate values fit in doubles: beyond them, precise ones take too long. A constant is always in range, since its
    powers are bounded (`dunwu.verifiers.math.numeric`)."""
    assert gold.node is not None
    assert found.node is not None
    if not {*symbols(gold.node), *symbols(found.node)} - {"e", "pi", "i"}:
        return True
    try:
        evaluate(gold.node, point, doubles())
        evaluate(found.node, point, doubles())
    except ArithmeticError:
        return False
    except ValueError:
        return True
    return True
