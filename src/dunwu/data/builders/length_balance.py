"""Sampling of preference rows such that length does not predict preference.

People and models prefer longer answers, so a reward model learns that longer is better unless the data are balanced. DeepSeek-R1 (Nature
645:633-638, Methods) balances the lengths of chosen and rejected answers over the whole data set. We balance them within strata: rows are
sorted by the size of their length difference and cut into strata of neighbours. Each stratum yields couples of one row whose chosen
answer is longer and one whose rejected answer is longer, so that the sign of a difference of any size carries no information. Rows of the
rarer side are repeated up to a limit; some rows of the other side are not used.

For answers with labels, the sides are the labels and the size is the length: as many safe as unsafe answers of any length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

STRATUM = 32
"""Rows in a stratum: few enough to be of similar size, enough for both sides to occur."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Indices of rows of similar size, by side; ``couples`` is the number drawn in an epoch."""

    one: tuple[int, ...]
    other: tuple[int, ...]
    couples: int

    def draw(self, rng: Random) -> list[tuple[int, int]]:
        """The couples of an epoch, one row of each side."""
        return list(zip(_draw(self.one, self.couples, rng), _draw(self.other, self.couples, rng), strict=True))


def make_strata(sides: Sequence[int], sizes: Sequence[float], most_repeats: int) -> list[Stratum]:
    """Strata of rows with the given sides (1, -1, or 0 for a row that fits either) and sizes.

    A row is drawn at most ``most_repeats`` times an epoch; a stratum that lacks one of the sides yields no couples.
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
    """The number of rows that no epoch uses, because their stratum lacks one of the sides."""
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
    """``count`` indices; the numbers of draws of any two differ by at most one."""
    drawn: list[int] = []
    while len(drawn) < count:
        drawn += rng.sample(places, min(len(places), count - len(drawn)))
    return drawn
