"""Codeforces ratings, offline: the official changes of a contest, performances, and the rating that a rank stands for.

The official rule is Mirzayanov's (Codeforces blog, entries 102 and 20762). A participant's seed is the expected rank,
``1 + sum_j P(j beats i)``, with ``P(a beats b) = 1 / (1 + 10^((b - a) / 400))``. The rating that would have as its seed the geometric mean
of seed and rank, minus the rating, halved, is the change. Two corrections of all follow: one against inflation; and one of -10 to 0, which
takes the sum of the ``4 sqrt(n)`` best by rating towards 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LOWEST, HIGHEST = -1000, 8000
"""Ratings that a participant can have."""
LIMITS = (0.0, 4000.0)
"""Of the ratings that a rank stands for."""
_BEST_NEEDED = 8000
_PERFORMANCES = (-500, 6000)
_SAMPLED = 12


def win_probability(difference: Floats | Ints) -> Floats:
    """``P(a beats b)`` for ``difference = a - b``."""
    found: Floats = 1.0 / (1.0 + np.power(10.0, difference / -400.0))
    return found


_WINS = win_probability(np.arange(LOWEST - HIGHEST, HIGHEST - LOWEST + 1))


def _wins(difference: Ints) -> Floats:
    found: Floats = _WINS[difference - (LOWEST - HIGHEST)]
    return found


def ranks_of(keys: Sequence[tuple[float, ...]]) -> Ints:
    """Ranks from 1, the best first, of keys of which the smaller is the better; equal keys share the best rank of their group."""
    order = sorted(range(len(keys)), key=lambda i: keys[i])
    ranks = np.ones(len(keys), np.int64)
    for place, index in enumerate(order, start=1):
        tied = place > 1 and keys[index] == keys[order[place - 2]]
        ranks[index] = ranks[order[place - 2]] if tied else place
    return ranks


class RatedContest:
    """A contest of ``n`` rated participants; ``ratings`` before it, and ``ranks`` in which equals share the best rank."""

    def __init__(self, ratings: Sequence[int] | Ints, ranks: Sequence[int] | Ints) -> None:
        self._ratings = np.array(ratings, np.int64)
        n = len(self._ratings)
        assert n == len(ranks) > 0, "a rank for each rating"
        assert ((self._ratings >= LOWEST) & (self._ratings <= HIGHEST)).all(), "ratings out of range"
        _, group, sizes = np.unique(np.array(ranks), return_inverse=True, return_counts=True)
        self._worst = np.cumsum(sizes)[group]  # the official rule gives equals the worst rank of their group
        self._best_counted = min(int(4 * round(n**0.5)), n)
        # Of each whole rating x: 1 + sum_j P(j beats x), over all participants.
        grid = np.arange(LOWEST, HIGHEST + 1)
        values, counts = np.unique(self._ratings, return_counts=True)
        self._seeds = np.ones(len(grid))
        for value, count in zip(values, counts, strict=True):
            self._seeds += count * _wins(value - grid)
        self._raw = self._changes(self._ratings, self._worst, lambda x: self._seed_among_others(x, self._ratings))
        self._order = np.lexsort((self._worst, -self._ratings))

    def changes(self) -> Ints:
        """The official change of each rating."""
        first = _first_correction(self._raw.sum(), len(self._raw))
        return self._raw + first + self._second_correction(self._raw[self._order[: self._best_counted]].sum(), first)

    def performances(self) -> list[int | None]:
        """The least rating with which a participant would not have gained, all else equal; ``None``, infinite, for a sole winner."""
        found = self._without_feedback()
        by_all, by_best = self._uncertain(found)
        for index in np.flatnonzero((by_all | by_best) & (self._worst > 1)):
            found[index] = self._exact(int(index), int(found[index]), bool(by_all[index]))
        return [None if worst == 1 else int(rating) for worst, rating in zip(self._worst, found, strict=True)]

    def _seed_among_others(self, x: Ints, own: Ints) -> Floats:
        found: Floats = self._seeds[x - LOWEST] - _wins(own - x)
        return found

    @staticmethod
    def _changes(ratings: Ints, worst: Ints, seed: Callable[[Ints], Floats]) -> Ints:
        """Changes before the corrections; ``seed``: of ratings, one for each participant."""
        middle = np.sqrt(worst * seed(ratings))
        low, high = np.ones_like(ratings), np.full_like(ratings, _BEST_NEEDED)
        while (high - low > 1).any():
            half = (low + high) // 2
            better = seed(half) < middle
            low, high = np.where(better, low, half), np.where(better, half, high)
        return _quotient(low - ratings, 2)

    def _second_correction(self, best: Ints, first: Ints) -> Ints:
        """Of the sums of the best participants' changes before both corrections."""
        return np.clip(_quotient(-(best + self._best_counted * first), self._best_counted), -10, 0)

    def _without_feedback(self) -> Ints:
        """Performances, if a participant's rating would change no other's seed."""
        low, high = (np.full(len(self._ratings), limit) for limit in _PERFORMANCES)
        while (high - low > 1).any():
            half = (low + high) // 2
            own, first, second = self._with_rating(half)
            gained = own + first + second > 0
            low, high = np.where(gained, half, low), np.where(gained, high, half)
        return high

    def _with_rating(self, assumed: Ints) -> tuple[Ints, Ints, Ints]:
        """Each participant's change before the corrections, and both of these, with the ``assumed`` rating of that participant alone."""
        own = self._changes(assumed, self._worst, lambda x: self._seed_among_others(x, self._ratings))
        sums, best = self._sums(assumed, own)
        first = _first_correction(sums, len(own))
        return own, first, self._second_correction(best, first)

    def _sums(self, assumed: Ints, own: Ints) -> tuple[Ints, Ints]:
        """Of all changes, and of those of the best by rating, where each participant in turn has the ``assumed`` rating."""
        n, counted = len(own), self._best_counted
        place = np.argsort(self._order, kind="stable")
        running = np.concatenate([[0], np.cumsum(self._raw[self._order])])

        def of_best_others(count: int) -> Ints:
            found: Ints = np.where(place < count, running[min(count + 1, n)] - self._raw, running[count])
            return found

        sums = running[n] - self._raw + own
        if counted == n:
            return sums, sums
        last = self._ratings[self._order[np.where(place < counted, counted, counted - 1)]]
        return sums, np.where(assumed >= last, of_best_others(counted - 1) + own, of_best_others(counted))

    def _uncertain(self, performances: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For whom the others' changes of seed could move the first or the second correction across a whole number: by twice as much as
        for those whose rating would change most."""
        own, first, _ = self._with_rating(performances)
        sums, best = self._sums(performances, own)
        n, counted = len(own), self._best_counted
        threshold = self._ratings[self._order[counted - 1]]
        among_best = (self._ratings >= threshold) | (performances >= threshold)
        by_all, by_best = np.zeros(n, bool), np.zeros(n, bool)
        corrected = best / counted + first
        for group in (np.flatnonzero(among_best), np.flatnonzero(~among_best)):
            moved = np.abs(performances - self._ratings)[group]
            drift = [(self._sums_with(i, performances[i], True) - (sums[i], best[i])) for i in group[np.argsort(-moved)[:_SAMPLED]]]
            most_of_all, most_of_best = np.abs(drift).max(axis=0) if drift else (0, 0)
            by_all[group] = _to_whole(sums[group] / n) <= 2 * (most_of_all + 1) / n
            by_best[group] = _to_whole(corrected[group]) <= 2 * (most_of_best + 1) / counted
        return by_all, by_best & (corrected > -1) & (corrected < 11)

    def _sums_with(self, index: int, assumed: int, whole: bool) -> Ints:
        """The sums of all changes (if ``whole``) and of the best, with the ``assumed`` rating of one participant and seeds that follow."""
        counted, ratings = self._best_counted, self._ratings
        best = self._order[: counted + 1]
        best = best[best != index][:counted]
        if len(best) < counted or assumed >= ratings[best[-1]]:
            best = np.append(best[: counted - 1], index)
        members = np.append(best, np.setdiff1d(np.arange(len(ratings)), best)) if whole else best
        theirs = np.where(members == index, assumed, ratings[members])
        grid = np.arange(LOWEST, HIGHEST + 1)
        seeds = self._seeds + _wins(assumed - grid) - _wins(ratings[index] - grid)
        raw = self._changes(theirs, self._worst[members], lambda x: seeds[x - LOWEST] - _wins(theirs - x))
        return np.array([raw.sum(), raw[:counted].sum()])

    def _exact(self, index: int, guess: int, whole: bool) -> int:
        """The performance, found near ``guess``; ``whole``: also with the exact sum of all changes."""
        others = self._raw.sum() - self._raw[index]
        alone = np.array([index])

        def gained(assumed: int) -> bool:
            rating = np.array([assumed])
            own = self._changes(rating, self._worst[alone], lambda x: self._seed_among_others(x, self._ratings[alone]))[0]
            of_all, of_best = self._sums_with(index, assumed, whole)
            first = _first_correction(of_all if whole else others + own, len(self._raw))
            return bool(own + first + self._second_correction(of_best, first) > 0)

        step = 1
        low, high = guess - 1, guess
        while high < _PERFORMANCES[1] and gained(high):
            low, high, step = high, min(high + step, _PERFORMANCES[1]), 2 * step
        while low > _PERFORMANCES[0] and not gained(low):
            low, high, step = max(low - step, _PERFORMANCES[0]), low, 2 * step
        while high - low > 1:
            half = (low + high) // 2
            low, high = (half, high) if gained(half) else (low, half)
        return high


def _first_correction(sums: Ints, n: int) -> Ints:
    return _quotient(-sums, n) - 1


def _quotient(values: Ints, by: int) -> Ints:
    """Divided and rounded towards 0."""
    found: Ints = np.sign(values) * (np.abs(values) // by)
    return found


def _to_whole(values: Floats) -> Floats:
    return np.abs(values - np.round(values))


def expected_rank(rating: float, others: Sequence[int]) -> float:
    """``1 + sum_j P(j beats rating)``."""
    return 1.0 + float(win_probability(np.asarray(others, np.float64) - rating).sum())


def rating_of_rank(rank: float, others: Sequence[int], limits: tuple[float, float] = LIMITS) -> float:
    """The rating within ``limits`` whose expected rank among ``others`` is ``rank``, by bisection (CodeElo, arXiv 2501.01257).

    The first of all has no such rating, nor has the last: they have a limit.
    """
    low, high = limits
    if expected_rank(high, others) >= rank:
        return high
    if expected_rank(low, others) <= rank:
        return low
    while high - low > 1e-6:
        half = (low + high) / 2
        low, high = (half, high) if expected_rank(half, others) > rank else (low, half)
    return (low + high) / 2


def percentile(rating: float, users: Mapping[int, int]) -> float:
    """Share of users with a lower rating, in percent; ``users`` counts them by rating."""
    return 100 * sum(count for each, count in users.items() if each < rating) / sum(users.values())
