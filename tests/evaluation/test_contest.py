"""Scores, ranks and ratings of submissions by hand; judged by a stand-in for the sandbox."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.evaluation.contest import (
    Contest,
    Entry,
    Solved,
    Submission,
    entries,
    mean_rating,
    read_submissions,
    without_limits,
)
from dunwu.evaluation.elo import expected_rank
from dunwu.tasks.code_tests import CodeTests

STANDINGS = [
    {"participant": "a", "rating_before": 2000, "points": 1500, "penalty": 0},
    {"participant": "b", "rating_before": 1500, "points": 900, "penalty": 0},
    {"participant": "c", "rating_before": 1500, "points": 900, "penalty": 0},
    {"participant": "d", "rating_before": 1000, "points": 0, "penalty": 0},
]
PROBLEMS = {name: {"mode": "stdio", "cases": [{"stdin": "1", "stdout": "2"}]} for name in ("A", "B")}
POINTS = {"contest": "round", "scoring": "points", "standings": "standings.jsonl", "points": {"A": 500, "B": 1000}, "problems": PROBLEMS}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_contest(folder: Path, **changes: Any) -> Contest:
    write_rows(folder / "standings.jsonl", STANDINGS)
    (folder / "contest.json").write_text(json.dumps(POINTS | changes), encoding="utf-8")
    return Contest(folder / "contest.json")


def rated(contest: Contest, folder: Path, rows: list[dict[str, Any]]) -> list[Entry]:
    """A program passes if its text is ``right``; the sandbox fails on ``lost``."""

    def judge(submission: Submission, _: CodeTests) -> bool | None:
        return None if submission.text == "lost" else submission.text == "right"

    return list(entries([contest], read_submissions(write_rows(folder / "submissions.jsonl", rows), [contest]), judge))


def test_points_decay_with_time_and_wrong_attempts(tmp_path: Path) -> None:
    contest = make_contest(tmp_path)
    assert contest.key({"A": Solved(0, 0)}) == (-500, 0)
    assert contest.key({"A": Solved(10, 0)}) == (-(500 - 20), 0)  # 500 / 250 a minute in a contest of two hours
    assert contest.key({"A": Solved(10, 2), "B": Solved(0, 0)}) == (-(500 - 20 - 100 + 1000), 0)
    assert contest.key({"A": Solved(120, 9)}) == (-150, 0)  # never less than three tenths
    assert make_contest(tmp_path, minutes=60).key({"A": Solved(10, 0)}) == (-(500 - 40), 0)


def test_icpc_counts_solved_problems_then_minutes(tmp_path: Path) -> None:
    contest = make_contest(tmp_path, scoring="icpc")
    assert contest.key({"A": Solved(30, 2), "B": Solved(50, 0)}) == (-2, 30 + 20 + 50)
    assert make_contest(tmp_path, scoring="icpc", penalty=20).key({"A": Solved(30, 2)}) == (-1, 70)


def test_a_sample_is_ranked_and_rated(tmp_path: Path) -> None:
    contest = make_contest(tmp_path)
    rows = [
        {"problem": "B", "program": "wrong", "minute": 30},
        {"problem": "B", "program": "right", "minute": 40},
        {"problem": "B", "program": "right", "minute": 50},  # not judged: it is solved
        {"problem": "A", "program": "lost"},
        {"problem": "A", "program": "wrong"},
    ]
    (found,) = rated(contest, tmp_path, rows)
    assert found.solved == {"B": Solved(40, 1)}
    assert found.score == (-(1000 - 160 - 50), 0)
    assert (found.rank, found.last_rank, found.place, found.participants) == (4, 4, 4.0, 4)
    assert (found.wrong, found.unjudged) == (2, 1)  # one of them at a problem that stays unsolved
    assert expected_rank(found.rating, [2000, 1500, 1500, 1000]) == pytest.approx(4, abs=1e-4)


def test_equals_share_a_rank_and_attempts_go_by_minute(tmp_path: Path) -> None:
    contest = make_contest(tmp_path, points={"A": 900, "B": 1000})
    (found,) = rated(contest, tmp_path, [{"problem": "A", "program": "wrong", "minute": 9}, {"problem": "A", "program": "right"}])
    assert found.solved == {"A": Solved(0, 0)}
    assert (found.rank, found.last_rank, found.place, found.at_limit) == (2, 4, 3.0, False)
    assert (found.as_json()["rank"], found.as_json()["rated_rank"]) == (2, 3.0)
    assert expected_rank(found.rating, [2000, 1500, 1500, 1000]) == pytest.approx(3, abs=1e-4)  # two are its equals: each counts half


def test_a_rating_at_a_limit_is_marked(tmp_path: Path) -> None:
    contest = make_contest(tmp_path)
    (first,) = rated(contest, tmp_path, [{"problem": name, "program": "right"} for name in ("A", "B")])
    assert (first.rank, first.place, first.at_limit) == (1, 1.5, False)  # 1500 points, as the best
    (alone,) = rated(make_contest(tmp_path, points={"A": 501, "B": 1000}), tmp_path, [{"problem": n, "program": "right"} for n in "AB"])
    assert (alone.rank, alone.rating, alone.at_limit, alone.as_json()["at_limit"]) == (1, 4000.0, True, True)
    (last,) = rated(make_contest(tmp_path, minutes=60), tmp_path, [{"problem": "A", "program": "wrong"}])
    assert (last.rank, last.last_rank, last.place, last.at_limit) == (4, 5, 4.5, False)


def test_other_columns_of_submissions_are_accepted(tmp_path: Path) -> None:
    contest = make_contest(tmp_path)
    row = {"problem": "A", "program": "right", "minute": 1, "language": "en", "content": "x", "contest_id": 7, "time": 3, "model": "m"}
    assert [each.minute for each in read_submissions(write_rows(tmp_path / "s.jsonl", [row]), [contest])] == [1]
    write_rows(tmp_path / "s.jsonl", [{"problem": "A", "program": "right", "contest_id": "round"}])
    with pytest.raises(DataError, match="unknown column contest_id: did you mean contest"):
        read_submissions(tmp_path / "s.jsonl", [contest, make_contest(tmp_path, contest="other")])


def test_samples_are_participants_of_their_own_and_contests_are_averaged(tmp_path: Path) -> None:
    contest = make_contest(tmp_path)
    first, second = rated(
        contest, tmp_path, [{"problem": "A", "program": "right", "sample": 0}, {"problem": "B", "program": "right", "sample": 1}]
    )
    assert (first.sample, first.rank, second.sample, second.rank) == ("0", 4, "1", 2)
    assert mean_rating([first, second]) == (pytest.approx((first.rating + second.rating) / 2), None)
    other = Entry("other", "0", "points", {}, 0, (0, 0), 1, 1.0, 4, 1000.0, 0)
    mean, interval = mean_rating([first, second, other])
    middle = ((first.rating + second.rating) / 2 + 1000) / 2
    assert mean == pytest.approx(middle)
    assert interval is not None
    assert interval[0] < middle < interval[1]


def test_a_sample_takes_part_in_every_contest(tmp_path: Path) -> None:
    contest, other = make_contest(tmp_path), make_contest(tmp_path, contest="other")
    rows = [
        {"contest": "round", "problem": "A", "program": "", "sample": 1.0},
        {"contest": "other", "problem": "A", "program": "", "sample": "2"},
    ]
    submissions = read_submissions(write_rows(tmp_path / "submissions.jsonl", rows), [contest, other])
    assert [each.sample for each in submissions] == ["1", "2"]
    with pytest.raises(DataError, match="sample 2 has no submission to contest round"):
        list(entries([contest, other], submissions, lambda *_: True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scoring": "best"}, "scoring = 'best': expected points, icpc"),
        ({"minuts": 90}, "unknown key minuts: did you mean minutes"),
        ({"limit": {"wall_s": 3}}, "unknown key limit: did you mean limits"),
        ({"limits": {"wall": 3}}, "limits: unknown key wall: did you mean wall_s"),
        ({"problems": {"A": PROBLEMS["A"] | {"tolerence": 0.1}}}, "problem 'A': unknown key tolerence: did you mean tolerance"),
        ({"points": {"A": 500}}, "points: no value for problem B"),
        ({"length": 3}, "length"),
        ({"minutes": 0}, "minutes = 0: expected greater than 0"),
        ({"minutes": "120"}, "minutes = '120'"),
        ({"penalty": float("inf")}, "penalty = inf"),
        ({"points": {"A": True, "B": 1}}, "points.A = True"),
        ({"standings": "."}, "is a folder: give the file of one contest"),
        ({"standings": "gone.jsonl"}, "gone.jsonl does not exist"),
        ({"problems": {}}, "no problems"),
    ],
)
def test_bad_contests_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        make_contest(tmp_path, **changes)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"problem": "Z", "program": ""}, "contest round has no problem 'Z': it has A, B"),
        ({"problem": "A"}, "program is None"),
        ({"problem": "A", "program": "", "contest": "other"}, "contest is 'other': give one of round"),
        ({"problem": "A", "program": "", "minute": 121}, "minute is 121: give a number from 0 to 120"),
        ({"problem": "A", "program": "", "programming_language": "cobol"}, "give python or cpp"),
        ({"problem": "A", "program": "", "sample": [1]}, "sample is"),
        ({"problem": "A", "program": "", "minut": 3}, "row 1: unknown column minut: did you mean minute"),
        ({"problem": "A", "program": "", "sample_id": 3}, "unknown column sample_id: did you mean sample"),
        ({"problem": "A", "program": "", "programmingLanguage": "cpp"}, "did you mean programming_language"),
        ({"program": ""}, "has no problem None"),
    ],
)
def test_bad_submissions_are_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_submissions(write_rows(tmp_path / "s.jsonl", [row]), [make_contest(tmp_path)])


def test_the_mean_without_ratings_at_a_limit(tmp_path: Path) -> None:
    (first,) = rated(make_contest(tmp_path), tmp_path, [{"problem": name, "program": "right"} for name in ("A", "B")])
    (limited,) = rated(make_contest(tmp_path, points={"A": 501, "B": 1000}), tmp_path, [{"problem": n, "program": "right"} for n in "AB"])
    other = replace(limited, contest="other")
    assert without_limits([first, other]) == first.rating
    assert without_limits([other]) is None
    assert mean_rating([first, other])[0] == pytest.approx((first.rating + 4000) / 2)
