"""Balanced couples: the sign of the length difference says nothing, at any size of it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from dunwu.data.builders.length_balance import STRATUM, draw_couples, make_strata, never_drawn


def confounded(count: int, share: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """Sides of which ``share`` are 1, and the more so the larger the size is."""
    rng = Random(seed)
    sizes = [rng.randint(1, 100) for _ in range(count)]
    return [1 if rng.random() < share + 0.1 * (size / 100 - 0.5) else -1 for size in sizes], sizes


def test_both_sides_as_often_at_every_size() -> None:
    sides, sizes = confounded(2000, 0.8)
    couples = draw_couples(make_strata(sides, sizes, 4), Random(1))
    assert all(sides[one] == 1 and sides[other] == -1 for one, other in couples)
    assert max(abs(sizes[one] - sizes[other]) for one, other in couples) <= 6  # 32 neighbours of 2000 rows in 1..100
    drawn = [place for couple in couples for place in couple]
    assert sum(sides[place] * sizes[place] for place in range(2000)) > 10_000
    assert abs(sum(sides[place] * sizes[place] for place in drawn)) < 2 * len(couples)
    assert len(couples) == pytest.approx(1000, rel=0.1)  # an epoch is as long as the data, where the rarer side suffices


def test_by_hand() -> None:
    strata = make_strata([1, 1, 1, -1], [5, 6, 7, 6], most_repeats=4)
    assert [(each.one, each.other, each.couples) for each in strata] == [((0, 1, 2), (3,), 2)]
    couples = draw_couples(strata, Random(0))
    assert [other for _, other in couples] == [3, 3]
    assert len({one for one, _ in couples}) == 2  # thinned out, not repeated


@pytest.mark.parametrize("most", [1, 3])
def test_no_row_is_used_too_often(most: int) -> None:
    sides, sizes = confounded(640, 0.92)
    strata = make_strata(sides, sizes, most)
    used = Counter(place for couple in draw_couples(strata, Random(2)) for place in couple)
    assert max(used.values()) == most
    assert max(count for place, count in used.items() if sides[place] == 1) == 1


def test_equally_long_rows_fit_either_side() -> None:
    strata = make_strata([0] * 10, [0] * 10, 1)
    assert sorted(place for couple in draw_couples(strata, Random(0)) for place in couple) == list(range(10))


def test_a_stratum_of_one_side_is_never_drawn_and_counted() -> None:
    sides = [1] * STRATUM + [1, -1] * (STRATUM // 2)
    strata = make_strata(sides, list(range(2 * STRATUM)), 4)
    assert never_drawn(strata) == STRATUM
    assert {place for couple in draw_couples(strata, Random(0)) for place in couple} == set(range(STRATUM, 2 * STRATUM))


def test_an_epoch_is_a_function_of_its_generator() -> None:
    strata = make_strata(*confounded(200, 0.7), 4)
    assert draw_couples(strata, Random(7)) == draw_couples(strata, Random(7)) != draw_couples(strata, Random(8))
