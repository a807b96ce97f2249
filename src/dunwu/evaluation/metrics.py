"""Metrics over problems and samples. The problem is the sampling unit: all problems have the same weight, however many samples they have.

``correct[p][s]`` is 1 if sample ``s`` of problem ``p`` is right, else 0; the caller excludes samples that could not be verified.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dunwu.evaluation.intervals import mean_interval

Correct = Sequence[Sequence[int]]


def problem_means(correct: Correct) -> list[float]:
    """The share of right samples of each problem; problems without samples are excluded."""
    return [sum(samples) / len(samples) for samples in correct if samples]


def pass_at_1(correct: Correct) -> float:
    """The mean over problems of the mean over samples (DeepSeek-R1, section 3); NaN without problems.

    Its expectation does not depend on the number of samples.
    """
    means = problem_means(correct)
    return math.fsum(means) / len(means) if means else math.nan


def pass_at_k(correct: Correct, k: int) -> float:
    """The unbiased estimate that one of ``k`` samples is right (Chen et al. 2021, Eq. 1): mean of ``1 - C(n-c, k) / C(n, k)``.

    Departure: a problem with fewer than ``k`` verified samples counts with those it has. That is a lower bound:
    another sample can only add a success.
    """
    if k < 1:
        raise ValueError(f"k of pass@k is {k}; it must be at least 1")
    chances = [_one_of_k(len(samples), sum(samples), min(k, len(samples))) for samples in correct if samples]
    return math.fsum(chances) / len(chances) if chances else math.nan


def _one_of_k(n: int, c: int, k: int) -> float:
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def majority_at_k(answers: Sequence[Sequence[Hashable | None]], correct: Correct) -> float:
    """The share of problems whose most frequent answer is right.

    ``answers`` are equivalence keys chosen by the caller; ``None`` (unparsable) does not vote. The first key wins a tie.
    A problem without votes is wrong; one without samples is excluded.
    """
    won = [_majority(keys, samples) for keys, samples in zip(answers, correct, strict=True) if samples]
    return sum(won) / len(won) if won else math.nan


def _majority(keys: Sequence[Hashable | None], samples: Sequence[int]) -> int:
    assert len(keys) == len(samples), "one answer key per sample"
    votes = Counter(key for key in keys if key is not None)
    if not votes:
        return 0
    winner = max(votes, key=votes.__getitem__)  # Counter keeps the order of first occurrence, and max returns the first of equals
    return samples[keys.index(winner)]


def pass_interval(correct: Correct) -> tuple[float, float]:
    """The 95 % interval of pass@1 over problems (`dunwu.evaluation.intervals`), never of width 0. NaNs without problems."""
    means = problem_means(correct)
    return mean_interval(means) if means else (math.nan, math.nan)


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rank correlation: Pearson's of the ranks. NaN with fewer than 3 pairs or if one side is constant."""
    assert len(x) == len(y), "x and y are pairs"
    if len(x) < 3:
        return math.nan
    a, b = ranks(x), ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale else math.nan


def finite_or_none(value: Any) -> Any:
    """``value`` with every NaN and infinity replaced by ``None``, in nested mappings and lists too: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: finite_or_none(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_or_none(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
