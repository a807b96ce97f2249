"""Means over problems with 95 % intervals, and a fitted line whose slope has one, as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dunwu.analysis.lab.material import Chain
from dunwu.evaluation.intervals import LEVEL
from dunwu.evaluation.suite import Estimate, mean, share

Json = dict[str, Any]
RESAMPLES = 2000


def by_problem(chains: Iterable[Chain], value: Callable[[Chain], float | None]) -> list[list[float]]:
    """``value`` of the chains, by problem; chains to which it does not apply (``None``) are left out."""
    found: dict[str, list[float]] = {}
    for chain in chains:
        if (known := value(chain)) is not None:
            found.setdefault(chain.problem, []).append(float(known))
    return list(found.values())


def mean_of(chains: Iterable[Chain], value: Callable[[Chain], float | None], least: float = -math.inf) -> Json | None:
    """The mean over problems of the mean over their chains, with Student's interval; ``None`` without values."""
    return plain_estimate(mean(by_problem(chains, value), least))


def share_of(chains: Iterable[Chain], value: Callable[[Chain], float | None]) -> Json | None:
    """The same for values from 0 to 1, with Gaffke's bounds (`dunwu.evaluation.intervals`)."""
    return plain_estimate(share(by_problem(chains, value)))


def plain_estimate(found: Estimate | None) -> Json | None:
    """``value``, ``interval`` (``None`` where one problem gives none) and ``problems``."""
    if found is None:
        return None
    wide = found.count > 1 or found.low < found.high
    return {"value": found.value, "interval": [found.low, found.high] if wide else None, "problems": found.count}


def slope_of(x: Sequence[float], y: Sequence[float], seed: int = 0, problems: Sequence[str] | None = None) -> Json | None:
    """The line ``y = intercept + slope x`` of least squares, with the 95 % percentile interval of its slope over resamples of problems.

    ``problems`` names the problem of each pair; by default each pair has its own. A problem is drawn with all its pairs, which need not be
    independent (the cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). With
    ``Sxy = sum w (x - mean x)(y - mean y)``, w the number of times that the pair's problem was drawn, the slope is ``Sxy / Sxx``.
    ``None`` with fewer than 3 problems or a constant x; resamples with a constant x are left out.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    assert xs.shape == ys.shape, "x and y are pairs"
    numbers: dict[str, int] = {}
    owner = np.arange(len(xs)) if problems is None else np.asarray([numbers.setdefault(each, len(numbers)) for each in problems], dtype=int)
    count = len(numbers) if problems is not None else len(xs)
    if count < 3 or np.ptp(xs) == 0:
        return None
    dice = np.random.default_rng(seed)
    slopes = np.concatenate([_slopes(xs, ys, drawn[:, owner]) for drawn in _draws(dice, count, len(xs))])
    slope = float(_slopes(xs, ys, np.ones((1, len(xs))))[0])
    low, high = np.quantile(slopes[np.isfinite(slopes)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"slope": slope, "interval": [float(low), float(high)], "intercept": float(ys.mean() - slope * xs.mean()), "problems": count}


def _draws(dice: np.random.Generator, problems: int, pairs: int) -> Iterable[Any]:
    """How often each problem is drawn with replacement, in blocks of resamples that need little memory."""
    block = max(1, min(RESAMPLES, 2_000_000 // pairs))
    for start in range(0, RESAMPLES, block):
        drawn = dice.integers(0, problems, (min(block, RESAMPLES - start), problems))
        places = drawn + problems * np.arange(len(drawn))[:, None]
        yield np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)


def _slopes(x: Any, y: Any, weights: Any) -> Any:
    """The slope of each row of weights; NaN where all x that count are one, which rounding would hide in Sxx."""
    total = weights.sum(axis=1, keepdims=True)
    a, b = x - weights @ x[:, None] / total, y - weights @ y[:, None] / total
    varies = np.where(weights > 0, x, -np.inf).max(axis=1) > np.where(weights > 0, x, np.inf).min(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varies, (weights * a * b).sum(axis=1) / (weights * a * a).sum(axis=1), np.nan)
