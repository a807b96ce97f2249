"""What doubles leave open, decided with 160 digits (mpmath). Runs in the worker process only.

Two expressions of our grammar whose doubles agree are evaluated again at the same points: equal to 80 digits at all of them is equal.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]

from dunwu.verifiers.math_compare import Equal, exact_equal
from dunwu.verifiers.math_numeric import POINTS, Context, NoValue, comparable, evaluate
from dunwu.verifiers.math_values import Scalar

mpmath.mp.dps = 160
AGREEMENT = mpmath.mpf(10) ** -80


def _number(value: Fraction) -> Any:
    return mpmath.mpc(mpmath.mpf(value.numerator) / value.denominator)


def precise() -> Context:
    """Complex numbers of 160 digits."""
    constants = {"i": mpmath.mpc(0, 1), "pi": mpmath.mpc(mpmath.pi), "e": mpmath.mpc(mpmath.e)}
    return Context(mpmath.mp, mpmath.gamma, _number, constants)


def decide(gold: Scalar, found: Scalar) -> Equal:
    """`exact_equal`, and where that is open the comparison described above; an expression without a value equals nothing."""
    equal = exact_equal(gold, found)
    if equal is not None:
        return equal
    assert gold.node is not None
    assert found.node is not None
    agreed = 0
    for point in range(POINTS):
        context = precise()
        try:
            expected, value = evaluate(gold.node, point, context), evaluate(found.node, point, context)
        except (ArithmeticError, ValueError, NoValue):
            continue
        if not mpmath.isfinite(expected) or not mpmath.isfinite(value) or not comparable(expected, value, point, AGREEMENT):
            continue
        if abs(expected - value) > AGREEMENT * max(abs(expected), abs(value)):
            return False
        agreed += 1
    return agreed > 0
