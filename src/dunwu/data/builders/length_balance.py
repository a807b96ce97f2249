"""Couples of rows in which length says nothing about what is preferred.

Longer answers are chosen more often, by people and by models, so a reward model learns that longer is better unless the data say nothing of
it. DeepSeek-R1 (Nature 645:633-638, Methods) keeps chosen and rejected answers of comparable length over the whole data set. Here it holds
within strata: rows are sorted by the size of their length difference and cut into strata of neighbours; in each stratum as many rows
whose chosen answer is the longer are drawn as rows whose rejected answer is, in couples of one each. Whatever the size of the difference,
its sign then says nothing. The rarer side is used several times if need be, the commoner one thinned out.

For answers that are judged one by one the sides are the labels and the size is the length: as many safe ones as unsafe ones of any length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

STRATUM = 32
"""Rows of a stratum: few enough to be of one size, enough for both sides to occur."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Places of rows of like size, by side; ``couples`` of them are drawn in an epoch."""

    one: tuple[int, ...]
    other: tuple[int, ...]
    couples: int

    def draw(self, rng: Random) -> list[tuple[int, int]]:
        """The couples of an epoch, a row of each side."""
        return list(zip(_draw(self.one, self.couples, rng), _draw(self.other, self.couples, rng), strict=True))


def make_strata(sides: Sequence[int], sizes: Sequence[float], most_repeats: int) -> list[Stratum]:
    """Strata of rows with these sides (1, -1, or 0 for a row that fits either) and sizes.

    A row is drawn at most ``most_repeats`` times an epoch; a stratum without one of the sides gives no couple.
    """
    assert len(sides) == len(sizes), "a side and a size for each row"
    order = sorted(range(len(sides)), key=lambda i: sizes[i])
    parts = max(1, len(order) // STRATUM)
    cuts = [len(order) * part // parts for part in range(parts + 1)]
    return [_stratum(order[low:high], sides, most_repeats) for low, high in pairwise(cuts)]


def draw_couples(strata: Sequence[Stratum], rng: Random) -> list[tuple[int, int]]:
    """The couples of an epoch in random order."""
    couples = [couple for stratum in strata for couple in stratum.draw(rng)]
    rng.shuffle(couples)
    return couples


def never_drawn(strata: Sequence[Stratum]) -> int:
    """Rows of strata without one of the sides, which no epoch uses."""
    return sum(len(stratum.one) + len(stratum.other) for stratum in strata if not stratum.couples)


def _stratum(places: Sequence[int], sides: Sequence[int], most_repeats: int) -> Stratum:
    one = [place for place in places if sides[place] > 0]
    other = [place for place in places if sides[place] < 0]
    for place in places:
        if sides[place] == 0:
            (one if len(one) < len(other) else other).append(place)
    rarer = min(len(one), len(other))
    return Stratum(tuple(one), tuple(other), min((len(places) + 1) // 2, most_repeats * rarer))


def _draw(places: Sequence[int], count: int, rng: Random) -> list[int]:
    """``count`` of them, each as often as any other, give or take one."""
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += rng.sample(places, min(len(places), count - len(drawn)))
    return drawn
