"""The confidence interval of a mean, over problems, of shares between 0 and 1: Gaffke's bounds.

Gaffke (Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable, Mathematical Methods of
Statistics 14, 2005): with order statistics ``x_1 ... x_P``, ``x_{P+1} = 1`` and weights ``w`` uniform on the simplex, the upper bound is
the quantile of ``sum_i w_i x_i``; the lower bound is its mirror image. If all shares are 0 or 1, these are exactly Clopper and Pearson's
bounds; several samples per problem make them narrower. They hold for any distribution of the shares (proven for small P, with no known
exception), whereas Wilson's interval covers only 86 to 91 % near 0 and 1 with fewer than 100 problems.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_STEP, _BELOW, _ABOVE = 0.1, 20.0, 12.0
_HALVINGS = 36


def mean_interval(shares: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Bounds on the mean of the distribution from which ``shares`` (at least one, each in [0, 1]) were drawn."""
    tail = (1 - level) / 2
    return 1 - _upper([1 - share for share in shares], tail), _upper(shares, tail)


def t_factor(freedom: int) -> float:
    """The half-width of a 95 % interval of a mean in standard errors, from Student's distribution (Hill's expansion from 3 degrees)."""
    assert freedom >= 1, "at least two values"
    if freedom < 3:
        return (math.tan(math.pi * LEVEL / 2), LEVEL * math.sqrt(2 / (1 - LEVEL**2)))[freedom - 1]
    z = 1.959963984540054
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    more = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return math.fsum([z, *(term / float(freedom) ** power for power, term in enumerate((*terms, more), start=1))])


def _upper(shares: Sequence[float], tail: float) -> float:
    """The bound ``c`` with ``P(sum_i w_i x_i > c) = tail``, by bisection."""
    counts = Counter(shares)
    counts[1.0] += 1
    values, numbers = np.array(list(counts)), np.array(list(counts.values()))
    low, high = float(np.average(values, weights=numbers)), 1.0
    if low == high:
        return 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _above(values - middle, numbers) > tail else (low, middle)
    return (low + high) / 2


def _above(factors: NDArray[np.float64], numbers: NDArray[np.int64]) -> float:
    """``P(sum_j factors_j G_j > 0)`` for independent ``G_j ~ Gamma(numbers_j)``: ``P(sum_i w_i x_i > c)`` with factors ``x_j - c``.

    Imhof (Biometrika 48, 1961) inverts the characteristic function, with ``theta(u) = sum_j n_j arctan(a_j u)`` and
    ``rho(u) = prod_j (1 + a_j^2 u^2)^(n_j / 2)``::

        P = 1/2 + 1/pi integral_0^inf sin(theta(u)) / (u rho(u)) du

    integrated by the trapezoidal rule over log u, in which the integrand decays exponentially on both sides.
    """
    scale = -0.5 * np.log((numbers * factors**2).sum())
    u = np.exp(scale + np.arange(-_BELOW, _ABOVE, _STEP))[:, None] * factors
    theta = (numbers * np.arctan(u)).sum(axis=1)
    rho = (numbers * np.log1p(u**2)).sum(axis=1) / 2
    return 0.5 + float((np.sin(theta) * np.exp(-rho)).sum()) * _STEP / np.pi
