r"""Can the ability of later checkpoints be told from earlier ones? A saturating curve against the last value. Imports no torch.

The curve is ``a(C) = floor + (ceiling - floor) C / (C + scale)`` over the training compute C, with ``0 <= floor, ceiling <= 1``. It is
logistic in log C: from its ``floor`` it is half-way to its ``ceiling`` at C = ``scale``; far beyond, the gap falls as 1 / C. It is fitted
by least squares to the first half of the checkpoints (for each scale of a grid, floor and ceiling are linear) and predicts the others. The
naive forecast is that nothing changes any more: the last value of the first half. Both errors are mean absolute errors over the predicted
checkpoints. Their difference has a 95 % percentile interval over resamples of problems, all checkpoints of a problem together; each is
fitted anew.

An ability that appears all at once cannot be told before: the curve then does no better than the last value, and the finding says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dunwu.evaluation.intervals import LEVEL

LEAST = 4
"""Checkpoints in the first half: one more than the curve has parameters."""
RESAMPLES = 1000
_SCALES = np.geomspace(0.01, 100.0, 300)
"""In units of the largest compute of the fitted checkpoints."""


@dataclass(frozen=True, slots=True)
class Saturating:
    """The fitted curve; ``scale`` is in the unit of the compute. For several resamples each is an array."""

    floor: Any
    ceiling: Any
    scale: Any

    def at(self, compute: Any) -> Any:
        """Its value at ``compute``."""
        return self.ceiling - (self.ceiling - self.floor) * self.scale / (self.scale + np.asarray(compute))


@dataclass(frozen=True, slots=True)
class Forecast:
    """``fitted``: how many checkpoints the curve was fitted to; ``predicted``: its values at the others; errors are mean absolute ones.

    ``gain``: the naive error minus the curve's, with its interval. ``curve`` is fitted to the first half.
    """

    fitted: int
    curve: Saturating
    predicted: tuple[float, ...]
    error: float
    naive_error: float
    gain: tuple[float, float]
    finding: str


def fit(compute: Sequence[float], values_RC: Any) -> Saturating:
    """The curve of least squares through the checkpoints C, for each row of values R.

    For a given scale ``a = ceiling (1 - e) + floor e`` with ``e = scale / (scale + C)``. Both are bounded: where the free solution is
    outside the square, the best point lies on one of its four edges.
    """
    x, y = np.asarray(compute, dtype=np.float64), np.atleast_2d(np.asarray(values_RC, dtype=np.float64))
    assert y.shape[1] == len(x), "one value per checkpoint"
    unit = float(x.max()) or 1.0
    best = np.full(len(y), np.inf)
    floors, ceilings, scales = (np.zeros(len(y)) for _ in range(3))
    for scale in _SCALES * unit:
        e = scale / (scale + x)
        for floor, ceiling in _candidates(e, y):
            loss = ((ceiling[:, None] * (1 - e) + floor[:, None] * e - y) ** 2).sum(axis=1)
            better = loss < best - 1e-12  # equal fits keep the smaller scale, whatever the rounding
            best = np.where(better, loss, best)
            floors, ceilings, scales = (np.where(better, new, old) for new, old in ((floor, floors), (ceiling, ceilings), (scale, scales)))
    return Saturating(floors, ceilings, scales)


def _candidates(e: Any, y: Any) -> list[tuple[Any, Any]]:
    """Floors and ceilings for one scale: the free solution, moved into the square, and the best point of each edge."""
    rise = 1 - e
    gram = np.array([[e @ e, e @ rise], [e @ rise, rise @ rise]])
    free = y @ np.stack([e, rise], axis=1) @ np.linalg.pinv(gram)
    found = [(free[:, 0].clip(0, 1), free[:, 1].clip(0, 1))]
    for bound in (0.0, 1.0):
        edge = np.full(len(y), bound)
        found.append((edge, _one(rise, y - bound * e)))
        found.append((_one(e, y - bound * rise), edge))
    return found


def _one(basis: Any, y: Any) -> Any:
    """The coefficient of one function by least squares, from 0 to 1."""
    square = basis @ basis
    return ((y @ basis) / square if square > 0 else np.zeros(len(y))).clip(0, 1)


def forecast(compute: Sequence[float], accuracies_PC: Any, seed: int = 0) -> Forecast | None:
    """Forecast the second half of the checkpoints C from the first, by the accuracies of each problem P; ``None`` with fewer than 7."""
    values = np.asarray(accuracies_PC, dtype=np.float64)
    fitted = (values.shape[1] + 1) // 2
    if fitted < LEAST or len(values) == 0:
        return None
    dice = np.random.default_rng(seed)
    drawn = dice.integers(0, len(values), (RESAMPLES, len(values)))
    weights = np.stack([np.bincount(each, minlength=len(values)) for each in drawn]) / len(values)
    means = np.concatenate([values.mean(axis=0, keepdims=True), weights @ values])
    curves = fit(compute[:fitted], means[:, :fitted])
    predicted = Saturating(*(each[:, None] for each in (curves.floor, curves.ceiling, curves.scale))).at(compute[fitted:])
    errors = np.abs(predicted - means[:, fitted:]).mean(axis=1)
    naive = np.abs(means[:, fitted - 1 : fitted] - means[:, fitted:]).mean(axis=1)
    gains = naive - errors
    low, high = (float(each) for each in np.quantile(gains[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    first = Saturating(*(float(each[0]) for each in (curves.floor, curves.ceiling, curves.scale)))
    finding = _finding(float(gains[0]), low)
    return Forecast(fitted, first, tuple(map(float, predicted[0])), float(errors[0]), float(naive[0]), (low, high), finding)


def _finding(gain: float, low: float) -> str:
    if gain <= 0:
        return "no better than the last value"
    return "better than the last value" if low > 0 else "not clearly better than the last value"
