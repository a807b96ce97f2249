"""Is one model better than another? Two evaluations of the same problems, compared problem by problem. Imports no torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from dunwu.errors import DataError
from dunwu.evaluation.intervals import LEVEL
from dunwu.evaluation.result import EvaluationResult, EvaluationRow, scored
from dunwu.evaluation.suite import Estimate, share
from dunwu.tasks.dataset import text_digest

RESAMPLES = 10_000
FLIPS = 100_000
_MOST_WORK, _MOST_SUMS = 500_000_000, 5_000_000
"""Additions and sums of an exact p-value, at most; beyond, signs are drawn."""


@dataclass(frozen=True, slots=True)
class Paired:
    """``one`` and ``other``: pass@1 over the ``problems`` that both have.

    ``difference``, other minus one, has the 95 % interval of a paired bootstrap over problems. ``p_value`` is two-sided: how often random
    signs of the problems' differences give one as far from 0. With one sample a problem this is McNemar's exact test; with unequal numbers
    of samples of a problem it is an approximation. ``unpaired`` problems have no answer with a verdict in one of the two. ``identical``:
    the two have the same rows.
    """

    one: Estimate
    other: Estimate
    problems: int
    unpaired: int
    gained: int
    lost: int
    difference: float
    interval: tuple[float, float]
    p_value: float
    exact: bool
    identical: bool

    @property
    def verdict(self) -> str:
        """The answer in words."""
        if self.p_value >= 1 - LEVEL:
            return "no clear difference"
        return "the second is better" if self.difference > 0 else "the first is better"


def compare(one: EvaluationResult, other: EvaluationResult, seed: int = 0, names: tuple[object, object] | None = None) -> Paired:
    """Compare by the mean over each problem's samples; those whose verifier failed count nowhere.

    Raises ``DataError``, with the ``names`` of the two, such as their paths, without a common problem.
    """
    one, other = (by_text(result) for result in (one, other))
    before, after = _answers(one), _answers(other)
    first_name, second_name = names or (one.name, other.name)
    common = [name for name in before if name in after]
    texts = [{rows[0].problem_id: rows[0].text for rows in result.problems} for result in (one, other)]
    if other_text := next((name for name in common if texts[0][name] != texts[1][name]), None):
        both = f"{first_name} and {second_name}"
        raise DataError(f"problem {other_text} differs between {both}: evaluate both models on the same problems")
    if not common:
        raise DataError(f"no problem is in both {first_name} and {second_name}: evaluate both models on the same problems (the same seed)")
    first, second = (share([answers[name] for name in common]) for answers in (before, after))
    assert first is not None, "each problem has answers"
    assert second is not None, "each problem has answers"
    differences = [_mean(after[name]) - _mean(before[name]) for name in common]
    p_value, exact = sign_flip_p(differences, seed)
    exact = exact and all(len(before[name]) == len(after[name]) for name in common)
    return Paired(
        one=first,
        other=second,
        problems=len(common),
        unpaired=len(before) + len(after) - 2 * len(common),
        gained=sum(each > 0 for each in differences),
        lost=sum(each < 0 for each in differences),
        difference=float(sum(differences) / len(common)),
        interval=bootstrap_interval([float(each) for each in differences], seed),
        p_value=p_value,
        exact=exact,
        identical=one.rows == other.rows,
    )


def by_text(result: EvaluationResult) -> EvaluationResult:
    """The result with problems of data sets named by their text alone, so that those of a data set pair whatever the name of its file.

    Such a name is `NAME-DIGEST` if a model was sampled, `DIGEST` if completions were stored. A digest that several names end with is not
    used: each problem keeps its name.
    """
    names = {row.problem_id: _digest(row) for row in result.rows}
    shared = Counter(names.values())
    return replace(
        result,
        rows=tuple(row if shared[names[row.problem_id]] > 1 else replace(row, problem_id=names[row.problem_id]) for row in result.rows),
    )


def _digest(row: EvaluationRow) -> str:
    digest = text_digest(row.text)
    return digest if row.problem_id.rpartition("-")[2] == digest else row.problem_id


def _answers(result: EvaluationResult) -> dict[str, list[int]]:
    found = {rows[0].problem_id: [row.correct for row in scored(rows)] for rows in result.problems}
    return {name: values for name, values in found.items() if values}


def _mean(values: Sequence[int]) -> Fraction:
    return Fraction(sum(values), len(values))


def bootstrap_interval(differences: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over problems drawn with replacement."""
    dice, count = np.random.default_rng(seed), len(differences)
    values = np.array(differences)
    means = np.concatenate([values[dice.integers(0, count, (100, count))].mean(axis=1) for _ in range(RESAMPLES // 100)])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def sign_flip_p(differences: Sequence[Fraction], seed: int = 0) -> tuple[float, bool]:
    """Two-sided p-value of the sum under random signs, and whether it is exact.

    Where the models are equally good on each problem, a difference and its opposite are equally likely. In whole units the sum's
    distribution is that of a subset sum, built up problem by problem; if that is too much work, signs are drawn.
    """
    units = math.lcm(*(each.denominator for each in differences))
    sizes = [abs(int(each * units)) for each in differences if each]
    observed, total = abs(sum(int(each * units) for each in differences)), sum(sizes)
    if total > _MOST_SUMS or len(sizes) * total > _MOST_WORK:
        dice, values = np.random.default_rng(seed), np.array([float(each) for each in differences if each])
        least = abs(float(sum(differences))) - 1e-9
        beyond = sum(int((np.abs((2 * dice.integers(0, 2, (100, len(values))) - 1) @ values) >= least).sum()) for _ in range(FLIPS // 100))
        return (beyond + 1) / (FLIPS + 1), False
    chances = np.zeros(total + 1)  # of each sum of the sizes with a positive sign
    chances[0] = 1.0
    for size in sizes:
        shifted = np.zeros_like(chances)
        shifted[size:] = chances[: len(chances) - size]
        chances = (chances + shifted) / 2
    return min(1.0, float(chances[np.abs(2 * np.arange(total + 1) - total) >= observed].sum())), True
