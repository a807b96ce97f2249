"""Thresholds set before a run and checked at its end: met or not, with both numbers. They are data only; no text is evaluated."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dunwu.config.suite import Threshold
from dunwu.evaluation.suite import Estimate

Outcome = Literal["met", "not met", "not measured"]
ByRow = Mapping[str, Mapping[str, Estimate]]
"""Estimates by metric and row."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a threshold; ``bound`` is the number that ``value`` was compared with."""

    threshold: Threshold
    outcome: Outcome
    value: float | None = None
    bound: float | None = None
    told: str = ""
    """The finding in words, without its outcome; ``told`` is its key in ``stages.json``."""


def check(threshold: Threshold, metrics: ByRow) -> Finding:
    """Compare a metric with its bound. A metric that was not measured is reported as such, never as met."""
    found = metrics.get(threshold.metric, {})
    other = threshold.times or threshold.above
    missing = next((name for name in (threshold.of, other) if name is not None and name not in found), None)
    if missing is not None:
        return Finding(threshold, "not measured", told=_not_measured(threshold, missing, metrics))
    factor = threshold.at_least if threshold.at_least is not None else threshold.at_most
    assert factor is not None, "the configuration requires one of them"
    value = found[threshold.of].value
    against = found[other].value if other else 0.0
    bound = factor * against if threshold.times else factor + against
    # 3.0 * 0.1 is slightly above 0.3: rounding must not decide.
    reached = value >= bound if threshold.at_least is not None else value <= bound
    met = reached or math.isclose(value, bound, rel_tol=1e-9, abs_tol=1e-12)
    outcome: Outcome = "met" if met else "not met"
    return Finding(threshold, outcome, value, bound, f"{_claim(threshold, against)}: it is {value:.4g}, the bound is {bound:.4g}.")


def _claim(threshold: Threshold, against: float) -> str:
    """``reasoning.pass_at_1 of zero should be at least 3 times that of base (0.1)``."""
    factor = threshold.at_least if threshold.at_least is not None else threshold.at_most
    side = "at least" if threshold.at_least is not None else "at most"
    claim = f"{threshold.metric} of {threshold.of} should be {side}"
    if threshold.times:
        return f"{claim} {factor:g} times that of {threshold.times} ({against:.4g})"
    if threshold.above:
        return f"{claim} that of {threshold.above} ({against:.4g}) {'-' if factor and factor < 0 else '+'} {abs(factor or 0.0):g}"
    return f"{claim} {factor:g}"


def _not_measured(threshold: Threshold, row: str, metrics: ByRow) -> str:
    if threshold.metric in metrics:
        return f"{threshold.metric} of {row} was not measured."
    close = difflib.get_close_matches(threshold.metric, metrics, n=1)
    return f"{threshold.metric} was not measured" + (f"; did you mean {close[0]}?" if close else ".")
