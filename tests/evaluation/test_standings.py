"""Standings: who is before whom, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.evaluation.standings import read_standings, standing_ranks
from tests.evaluation.test_contest import write_rows


def test_numbers_of_a_csv_file_are_text(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("participant,rating_before,points\na,1500,3.5\nb,1400,4\n", encoding="utf-8")
    found = read_standings(tmp_path / "s.csv")
    assert [(each.rating, each.points) for each in found] == [(1500, 3.5), (1400, 4)]


def test_a_participant_is_there_once_and_ranked_like_the_others(tmp_path: Path) -> None:
    row = {"participant": "a", "rating_before": 1500, "rank": 1}
    with pytest.raises(DataError, match="participant 'a' is there twice"):
        read_standings(write_rows(tmp_path / "s.jsonl", [row, row]))
    mixed = [row, {"participant": "b", "rating_before": 1500, "points": 4}]
    with pytest.raises(DataError, match=r"s\.jsonl: participant 'a' has no points: give points to all, or a rank to all"):
        standing_ranks(read_standings(write_rows(tmp_path / "s.jsonl", mixed)), tmp_path / "s.jsonl")


def test_given_ranks_go_before_points(tmp_path: Path) -> None:
    rows = [
        {"participant": 1, "rating_before": 1500, "rank": 7, "points": 3},
        {"participant": 2, "rating_before": 1500, "rank": 2, "points": 1},
    ]
    assert standing_ranks(read_standings(write_rows(tmp_path / "s.jsonl", rows)), tmp_path).tolist() == [2, 1]
    for row in rows:
        del row["rank"]
    assert standing_ranks(read_standings(write_rows(tmp_path / "s.jsonl", rows)), tmp_path).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"rating_before": 1500, "rank": 1}, "participant is None"),
        ({"participant": "a", "rank": 1}, "no rating_before"),
        ({"participant": "a", "rating_before": 1500.5, "rank": 1}, "rating_before is 1500.5"),
        ({"participant": "a", "rating_before": 99_999, "rank": 1}, "rating_before is 99999: give a whole number from -1000 to 8000"),
        ({"participant": "a", "rating_before": 1500}, "neither points nor rank"),
        ({"participant": "a", "rating_before": 1500, "points": "many"}, "points is 'many'"),
        ({"participant": "a", "rating_before": 1500, "points": float("nan")}, "points is nan"),
        ({"participant": "a", "rating_before": True, "rank": 1}, "rating_before is True"),
        ({"participant": "a", "rating_before": 1500, "rank": 2.5}, "rank is 2.5: give a whole number from 1"),
        ({"participant": True, "rating_before": 1500, "rank": 1}, "participant is True"),
        ({"participant": "a", "rating_before": 1500, "points": 1, "penality": 3}, "row 1: unknown column penality: did you mean penalty"),
        ({"participant": "a", "rating_before": 1500, "points": 1, "penalties": 3}, "did you mean penalty"),
        ({"participant": "a", "rating_before": 1500, "points": 1, "Rank": 3}, "unknown column Rank: did you mean rank"),
        ({"participant": "a", "rating_befor": 1500, "points": 1}, "unknown column rating_befor: did you mean rating_before"),
    ],
)
def test_bad_standings_are_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_standings(write_rows(tmp_path / "s.jsonl", [row]))


@pytest.mark.parametrize(
    "further",
    [
        {"contest_id": 7, "delta": 3, "rating_after": 1503, "performance": 1600, "performance_is_infinite": False},
        {"handle": "b", "newRating": 3, "party": {}, "problemResults": [], "penalty": 0, "penalty_time": 3, "points_A": 2},
        {"points": None, "rank": 1, "points_A": 2, "points_B": 4},
    ],
)
def test_other_columns_are_accepted(further: dict[str, Any], tmp_path: Path) -> None:
    row = {"participant": "a", "rating_before": 1500, "points": 1}
    (found,) = read_standings(write_rows(tmp_path / "s.jsonl", [row | further]))
    assert found.penalty == 0


def test_a_rank_needs_no_points(tmp_path: Path) -> None:
    row = {"participant": "a", "rating_before": 1500, "rank": 1, "points_A": 2}
    assert read_standings(write_rows(tmp_path / "s.jsonl", [row]))[0].points is None


def test_a_time_that_may_be_the_penalty_is_asked_about(tmp_path: Path) -> None:
    rows = [{"participant": name, "rating_before": 1500, "points": points, "time": 3} for name, points in (("a", 2), ("b", 1), ("c", 2))]
    path = write_rows(tmp_path / "s.jsonl", rows)
    with pytest.raises(DataError, match="rename it to penalty"):
        read_standings(path)
    assert len(read_standings(path, penalty_counts=False)) == 3
    assert len(read_standings(write_rows(path, rows[:2]))) == 2  # no tie
    assert len(read_standings(write_rows(path, [row | {"penalty": 0} for row in rows]))) == 3
    with pytest.raises(DataError, match="unknown column penalty_minutes: did you mean penalty"):
        read_standings(write_rows(path, [{"participant": "a", "rating_before": 1500, "points": 1, "penalty_minutes": 3}]))
