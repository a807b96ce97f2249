"""One sentence per plot, computed from its data. The sentences state what was measured and claim no cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import pstdev
from typing import Any

from dunwu.analysis.curves import Curve, Row, curve, number

PHASES = ("before", "after")


def plain(value: float, digits: int = 2) -> str:
    """A number with fixed digits, or with two significant ones if it would read 0; never ``-0``."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        return f"{value:.2g}" if value else "0"
    return text


def percent(share: float | None) -> str:
    """``0.634`` as ``63.4 %``."""
    return "not measured" if share is None else f"{100 * share:.1f} %"


def steps(count: int) -> str:
    """``1 step``, ``90 steps``."""
    return f"{count} step{'' if count == 1 else 's'}"


def change(what: str, curve: Curve, digits: int = 2, unit: str = "", remark: str = "") -> str:
    """``Accuracy went from 0.18 to 0.63 over 90 steps.``; ``remark`` stands before the full stop."""
    if not curve:
        return f"{what} was not recorded."
    if len(curve) == 1:
        return f"{what} was {plain(curve.last, digits)}{unit} at the one step recorded."
    first, last = plain(curve.first, digits), plain(curve.last, digits)
    if first == last:
        return f"{what} was {first}{unit} at the start and at the end of {steps(len(curve))}."
    return f"{what} went from {first} to {last}{unit} over {steps(len(curve))}{remark}."


def growth(what: str, curve: Curve, digits: int = 1, unit: str = "") -> str:
    """``change`` with the ratio of last to first, if that is meaningful; with another digit where rounding would give another ratio."""
    known = len(curve) > 1 and curve.first > 0 and curve.last > 0
    if known and digits < 3 and plain(curve.first, digits) != plain(curve.last, digits):
        shown = float(plain(curve.last, digits)) / float(plain(curve.first, digits))
        if plain(shown, 1) != plain(curve.last / curve.first, 1):
            return growth(what, curve, digits + 1, unit)
    grown = known and plain(curve.first, digits) != plain(curve.last, digits)
    return change(what, curve, digits, unit, f" ({plain(curve.last / curve.first, 1)} times the first value)" if grown else "")


def cut_off(clipped: Curve) -> str:
    """The share of completions that hit the token limit."""
    if not clipped:
        return ""
    return f"{percent(clipped.last)} of the last completions were cut off at the token limit ({percent(clipped.first)} of the first)."


def divergence(kl: Curve, beta: float | None) -> str:
    """KL to the reference, or the reason why it is missing."""
    if kl:
        peak = max(range(len(kl)), key=kl.values.__getitem__)
        return f"{change('KL to the reference', kl, 4)} Its largest value was {plain(kl.values[peak], 4)}, at step {kl.steps[peak]}."
    return "not measured, as beta 0 needs no reference model." if beta == 0 else "KL to the reference was not recorded."


def dead_groups(share: Curve, skipped: int) -> str:
    """The share of groups without an advantage, and the number of skipped steps."""
    text = "The share of dead groups was not recorded."
    if share:
        text = f"{percent(share.first)} of the first groups and {percent(share.last)} of the last had equal rewards, hence zero advantages."
    return f"{text} {steps(skipped).capitalize()} had non-finite values and did not change the weights." if skipped else text


def time_spent(totals: Mapping[str, float]) -> str:
    """``Of 5.2 minutes in these phases, 60 % went to generate, 40 % went to train.``; a phase that rounds to 0 % is omitted."""
    total = math.fsum(totals.values())
    if total <= 0:
        return "Time per phase was not recorded."
    parts = [
        f"{100 * seconds / total:.0f} % went to {name}"
        for name, seconds in sorted(totals.items(), key=lambda item: -item[1])
        if seconds >= total / 200
    ]
    length = f"{total / 60:.1f} minutes" if total >= 60 else f"{total:.1f} seconds"
    return f"Of {length} in these phases, {', '.join(parts)}."


def headline(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """pass@1 before and after in words, with whether the 95 % intervals overlap."""
    first, last = number(before.get("pass_at_1")), number(after.get("pass_at_1"))
    if first is None or last is None:
        known = next(((phase, value) for phase, value in zip(PHASES, (first, last), strict=True) if value is not None), None)
        return f"pass@1 {known[0]} training was {percent(known[1])}." if known else "pass@1 was not measured."
    text = "pass@1 stayed at" if first == last else f"pass@1 went from {percent(first)} to"
    verdict = overlap(before, after)
    return f"{text} {percent(last)}{f'; the 95 % intervals {verdict}' if verdict else ''}."


def measured(points: Sequence[Mapping[str, Any]], k: int) -> str:
    """What the curve of an eval set shows, whose points are all over the same problems."""
    first, last = points[0], points[-1]
    shares = {"pass@1": "pass_at_1"} | ({f"majority@{k}": "majority_at_k"} if k > 1 else {})
    ends = [f"{what} {percent(number(first.get(key)))} and {percent(number(last.get(key)))}" for what, key in shares.items()]
    where = f"At steps {first['step']} and {last['step']}: {'; '.join(ends)}."
    return f"{where} The band is the 95 % interval of pass@1 over the {number(last.get('problems')) or 0:.0f} problems of every point."


def overlap(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Says whether the two 95 % intervals overlap; empty if one is unknown."""
    a, b = interval(before), interval(after)
    if a is None or b is None:
        return ""
    apart = a[1] < b[0] or b[1] < a[0]
    return "do not overlap" if apart else "overlap, so this evaluation alone does not show a change"


def nothing_learnt(before: Mapping[str, Any], after: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Why reinforcement learning taught nothing; empty if it may have taught something, or if the steps do not say.

    Either no group of any step had an advantage; or the intervals overlap, and the reward did not move beyond its noise.
    """
    dead, reward, accuracy = (curve(rows, key) for key in ("frac_reward_zero_std", "reward", "rewards/accuracy"))
    if not dead or (min(dead.values) < 1 and (not overlap(before, after).startswith("overlap") or moved(reward))):
        return ""
    share = math.fsum(dead.values) / len(dead)
    wrong = "; no answer was right" if accuracy and not any(accuracy.values) else ""
    if share > 0.5:
        return f"nothing was learnt: the rewards of {percent(share)} of the groups were all equal{wrong}"
    ends = f"{plain(reward.first)} at the start, {plain(reward.last)} at the end"
    return f"nothing was learnt: the reward moved no more than between steps ({ends}){wrong}"


def moved(values: Curve) -> bool:
    """True if the last tenth differs from the first by more than two standard errors; their noise is that from one step to the next."""
    if len(values) < 2:
        return False
    noise = pstdev(later - earlier for earlier, later in pairwise(values.values)) / math.sqrt(values.window)
    return abs(values.last - values.first) > 2 * noise


def interval(summary: Mapping[str, Any]) -> tuple[float, float] | None:
    """The interval of a summary; ``None`` unless it is two numbers."""
    found = summary.get("interval")
    if not isinstance(found, (list, tuple)) or len(found) != 2:
        return None
    low, high = number(found[0]), number(found[1])
    return None if low is None or high is None else (low, high)


def by_level(what: str, x: str, levels: Mapping[str, Sequence[tuple[str, float]]], digits: int) -> str:
    """A quantity at the easiest and the hardest level of each phase; ``levels`` are (label, value), easiest first."""
    parts = [
        f"{phase} training {plain(found[0][1], digits)} at {x} {found[0][0]} and {plain(found[-1][1], digits)} at {found[-1][0]}"
        for phase, found in levels.items()
        if found
    ]
    return f"{what}: {'; '.join(parts)}." if parts else f"{what} by {x} was not measured."


def correlation(what: str, found: Mapping[str, tuple[float, int]]) -> str:
    """Spearman's rho of each phase and its range by chance: |rho| exceeds ``1.96 / sqrt(n - 1)`` in about 5 % of cases."""
    parts = [f"{rho:.2f} {phase} training" for phase, (rho, _) in found.items() if math.isfinite(rho)]
    if not parts:
        return f"The rank correlation of thinking length with {what} could not be computed."
    fewest = min(count for _, count in found.values())
    chance = 1.96 / math.sqrt(fewest - 1)
    return (
        f"The rank correlation (Spearman's rho) of thinking length with {what} is {' and '.join(parts)}, over {fewest} problems; "
        f"chance alone gives a value within ±{chance:.2f} in 19 of 20 cases."
    )
