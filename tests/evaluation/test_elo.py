"""Codeforces' rating rule against a plain implementation of it, and against published contests."""

import gzip
import json
import math
import os
import random
from pathlib import Path
from typing import Any

import pytest

from dunwu.evaluation.elo import RatedContest, expected_rank, percentile, ranks_of, rating_of_rank

ROUNDS = Path(os.environ.get("DUNWU_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data", "codeforces_rounds")


def beats(a: float, b: float) -> float:
    return 1 / (1 + 10 ** ((b - a) / 400))


def plain_changes(ratings: list[int], ranks: list[int]) -> list[int]:
    """The rule as it is published: every participant, every comparison."""
    n = len(ratings)
    worst = [sum(other <= rank for other in ranks) for rank in ranks]

    def seed(index: int, rating: int) -> float:
        return 1 + sum(beats(ratings[j], rating) for j in range(n) if j != index)

    changes = []
    for i in range(n):
        middle = math.sqrt(worst[i] * seed(i, ratings[i]))
        low, high = 1, 8000
        while high - low > 1:
            half = (low + high) // 2
            low, high = (low, half) if seed(i, half) < middle else (half, high)
        changes.append(int((low - ratings[i]) / 2))
    first = int(-sum(changes) / n) - 1
    changes = [change + first for change in changes]
    best = sorted(range(n), key=lambda i: (-ratings[i], worst[i]))[: min(int(4 * round(math.sqrt(n))), n)]
    second = min(max(int(-sum(changes[i] for i in best) / len(best)), -10), 0)
    return [change + second for change in changes]


def plain_performance(ratings: list[int], ranks: list[int], index: int) -> int:
    low, high = -500, 6000
    while high - low > 1:
        half = (low + high) // 2
        gained = plain_changes([*ratings[:index], half, *ratings[index + 1 :]], ranks)[index] > 0
        low, high = (half, high) if gained else (low, half)
    return high


def contest(seed: int) -> tuple[list[int], list[int]]:
    dice = random.Random(seed)
    n = dice.choice([1, 2, 3, 7, 20, 45])
    spread = dice.choice([0, 50, 800])
    ratings = [max(-50, int(dice.gauss(1500, spread))) for _ in range(n)]
    ranks = ranks_of([(float(dice.randint(0, dice.choice([2, 1000]))),) for _ in range(n)]).tolist()
    return ratings, ranks


@pytest.mark.parametrize("seed", range(60))
def test_changes_are_those_of_the_published_rule(seed: int) -> None:
    ratings, ranks = contest(seed)
    assert RatedContest(ratings, ranks).changes().tolist() == plain_changes(ratings, ranks)


@pytest.mark.parametrize("seed", range(12))
def test_performances_are_the_ratings_that_would_not_have_changed(seed: int) -> None:
    ratings, ranks = contest(seed)
    found = RatedContest(ratings, ranks).performances()
    for index in range(0, len(ratings), max(1, len(ratings) // 6)):
        alone_first = ranks[index] == 1 and ranks.count(1) == 1
        assert found[index] == (None if alone_first else plain_performance(ratings, ranks, index))


@pytest.mark.parametrize("name", ["contest_1305.jsonl", "contest_1342.jsonl.gz", "contest_1349.jsonl", "contest_1350.jsonl"])
def test_published_contests_are_reproduced(name: str) -> None:
    if not ROUNDS.is_dir():
        pytest.skip("no published contests here")
    opened = gzip.open if name.endswith(".gz") else open
    with opened(ROUNDS / name, "rt", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    ranks = ranks_of([(-row["points"], row["penalty"]) for row in rows])
    assert ranks.tolist() == [row["rank"] for row in rows]
    found = RatedContest([row["rating_before"] for row in rows], ranks)
    assert found.changes().tolist() == [row["delta"] for row in rows]
    assert found.performances() == [row["performance"] for row in rows]


def test_ranks_by_hand() -> None:
    assert ranks_of([(3.0,), (1.0,), (3.0,), (2.0,), (9.0,)]).tolist() == [3, 1, 3, 2, 5]


def test_the_rating_of_a_rank_has_that_expected_rank() -> None:
    others = [800, 1200, 1500, 1900, 2400]
    assert expected_rank(1500, [1500]) == 1.5
    assert rating_of_rank(1.5, [1500]) == pytest.approx(1500, abs=1e-3)
    for rank in (1.5, 2, 3, 4, 5.9):
        assert expected_rank(rating_of_rank(rank, others), others) == pytest.approx(rank, abs=1e-4)
    assert rating_of_rank(1, others) == 4000
    assert rating_of_rank(6, others) == 0


def test_percentiles_by_hand() -> None:
    assert percentile(1500, {1000: 3, 1500: 5, 2000: 2}) == 30
    assert percentile(5000, {1000: 3}) == 100
