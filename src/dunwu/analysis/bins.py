"""Long curves as few points, and the quantities over which a curve can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from dunwu.analysis.curves import Curve, Row, number

Band = tuple[tuple[float, ...], tuple[float, ...]]
MOST = 1000
"""Points of a curve."""


@dataclass(frozen=True)
class Binned:
    """A curve as means over bins of ``size`` values that follow each other (the last bin may be smaller), with the extremes of each."""

    size: int
    curve: Curve
    low: tuple[float, ...]
    high: tuple[float, ...]


def binned(curve: Curve, most: int = MOST) -> Binned:
    """The curve in at most ``most`` bins of equal size; a bin is drawn at its middle step. A short curve stays as it is (``size`` 1)."""
    size = max(1, -(-len(curve) // most))
    bins = [curve.values[at : at + size] for at in range(0, len(curve), size)]
    middles = tuple(curve.steps[(at + min(at + size, len(curve)) - 1) // 2] for at in range(0, len(curve), size))
    means = curve.values if size == 1 else tuple(sum(values) / len(values) for values in bins)
    return Binned(size, Curve(middles, means), tuple(map(min, bins)), tuple(map(max, bins)))


def binned_band(band: Band, size: int) -> Band:
    """The bounds of a line in bins of ``size``: the mean of the lower and of the upper bounds of each bin."""
    low, high = (tuple(sum(side[at : at + size]) / len(side[at : at + size]) for at in range(0, len(side), size)) for side in band)
    return band if size == 1 else (low, high)


@dataclass(frozen=True)
class Clock:
    """The hours since the first step began, and the tokens read and sampled, at each step of a run; both without pauses of the record."""

    steps: tuple[int, ...]
    hours: tuple[float, ...]
    tokens: tuple[float, ...]

    def at(self, steps: Sequence[int]) -> tuple[list[float], list[float]]:
        """Hours and tokens at ``steps``: those of the last recorded step that is not later; 0 before the first."""
        places = np.searchsorted(self.steps, steps, side="right")
        return [(0.0, *self.hours)[place] for place in places], [(0.0, *self.tokens)[place] for place in places]


def read_clock(rows: Sequence[Row]) -> Clock:
    """The clock of a run. The hours are those on the wall, with evaluations and pauses; without times of day, the sum of the step times."""
    steps = tuple(int(row["step"]) for row in rows)
    tokens = tuple(accumulate(number(row.get("num_tokens")) or 0.0 for row in rows))
    return Clock(steps, _hours(rows), tokens)


def _hours(rows: Sequence[Row]) -> tuple[float, ...]:
    times = [number(row.get("time")) for row in rows]
    lengths = [number(row.get("step_time")) or 0.0 for row in rows]
    known = [time for time in times if time is not None]
    if len(known) == len(rows) and known:
        began = known[0] - lengths[0]
        return tuple(accumulate(((time - began) / 3600 for time in known), max))
    return tuple(seconds / 3600 for seconds in accumulate(lengths))
