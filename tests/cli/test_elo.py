"""`dunwu elo`: a contest replayed, and programs judged in the sandbox and rated."""

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.elo_command import _users, run
from dunwu.errors import DataError, UserError
from dunwu.sandbox.open import probe

needs_sandbox = pytest.mark.skipif(probe().number == 3, reason=f"no sandbox on this machine: {probe().text}")

STANDINGS = [
    {"participant": "first\x1b[31m", "rating_before": 1900, "points": 2, "penalty": 30},
    {"participant": "second", "rating_before": 1500, "points": 1, "penalty": 20},
    {"participant": "third", "rating_before": 1400, "points": 1, "penalty": 20},
    {"participant": "last", "rating_before": 1000, "points": 0, "penalty": 0},
]
CONTEST = {
    "contest": "round",
    "scoring": "icpc",
    "standings": "standings.jsonl",
    "limits": {"wall_s": 3},
    "problems": {name: {"mode": "stdio", "cases": [{"stdin": "1 2", "stdout": answer}]} for name, answer in (("A", "3"), ("B", "2"))},
}
ADD = "print(sum(map(int, input().split())))"
SUBMISSIONS = [
    {"problem": "A", "program": "print('three')", "minute": 1},
    {"problem": "A", "program": f"It is a sum.\n```python\n{ADD}\n```\n", "minute": 4},
    {"problem": "B", "program": ADD},
    {"problem": "B", "program": "", "sample": 2},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in (("standings", STANDINGS), ("submissions", SUBMISSIONS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "users.jsonl").write_text('{"rating": 0, "users": 1}\n{"rating": 3000, "users": 3}\n', encoding="utf-8")
    (tmp_path / "contest.json").write_text(json.dumps(CONTEST), encoding="utf-8")
    return tmp_path


def printed(capsys: Any, *arguments: object) -> str:
    assert run([*map(str, arguments)]) == 0
    return str(capsys.readouterr().out)


def test_a_contest_is_replayed(folder: Path, capsys: Any) -> None:
    found = [json.loads(line) for line in printed(capsys, "--standings", folder / "standings.jsonl", "--json").splitlines()]
    assert [row["participant"] for row in found] == [row["participant"] for row in STANDINGS]
    assert [row["rank"] for row in found] == [1, 2, 2, 4]
    assert [row["performance_is_infinite"] for row in found] == [True, False, False, False]
    assert found[0]["performance"] is None
    assert found[0]["delta"] > found[3]["delta"]
    table = printed(capsys, "--standings", folder / "standings.jsonl").splitlines()
    assert len(table) == 5
    assert "infinite" in table[1]
    assert "\x1b" not in table[1]


@needs_sandbox
def test_programs_are_judged_and_rated(folder: Path, capsys: Any) -> None:
    given = ("--contests", folder / "contest.json", "--submissions", folder / "submissions.jsonl", "--histogram", folder / "users.jsonl")
    first, second, mean = map(json.loads, printed(capsys, *given, "--json").splitlines())
    assert first["solved"] == {"A": {"minute": 4.0, "wrong": 1}}
    assert (first["points"], first["penalty"], first["rank"]) == (1, 14, 2)  # 4 minutes and 10 for the attempt before
    assert (second["solved"], second["rank"]) == ({}, 4)
    assert (first["rated_rank"], second["rated_rank"], first["wrong_attempts"], second["wrong_attempts"]) == (2, 4.5, 2, 1)
    assert (first["at_limit"], mean["ratings_at_limit"], mean["rating_without_limits"]) == (False, 0, mean["rating"])
    assert mean["rating"] == pytest.approx((first["rating"] + second["rating"]) / 2, abs=0.1)
    assert (mean["interval"], mean["percentile"]) == (None, 25.0)
    said = printed(capsys, *given, "--workers", 2)
    assert "solved A; penalty 14, wrong attempts 2; rank 2 of 5, rating" in said
    assert "solved nothing; penalty 0, wrong attempts 1; rank 4-5 of 5 (a tie counts as 4.5), rating" in said
    assert "limit" not in said


@needs_sandbox
def test_a_rating_at_a_limit_is_marked(folder: Path, capsys: Any) -> None:
    (folder / "standings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in STANDINGS[3:]), encoding="utf-8")
    given = ("--contests", folder / "contest.json", "--submissions", folder / "submissions.jsonl")
    first, second, mean = map(json.loads, printed(capsys, *given, "--json").splitlines())
    assert (first["rating"], first["at_limit"], second["at_limit"], mean["ratings_at_limit"]) == (4000, True, False, 1)
    assert mean["rating_without_limits"] == second["rating"] != mean["rating"]
    said = printed(capsys, *given).splitlines()
    assert "rank 1 of 2, rating 4000 (the limit" in said[0]
    assert said[-2].endswith(": 1 of 2")
    assert said[-1] == f"mean of the others: {second['rating']:.0f}"


def test_mistakes_are_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match="give --standings FILE"):
        run([])
    with pytest.raises(UserError, match="give --standings FILE"):
        run(["--contests", str(folder / "contest.json")])
    for option in (("--histogram", "users.jsonl"), ("--workers", "1")):
        with pytest.raises(UserError, match=f"elo: {option[0]} {option[1]} is for rating a model"):
            run(["--standings", str(folder / "standings.jsonl"), *option])
    with pytest.raises(DataError, match="is a contest file, not the standings of a contest: give it as --contests"):
        run(["--standings", str(folder / "contest.json")])
    both = ["--contests", str(folder / "contest.json"), str(folder / "contest.json"), "--submissions", str(folder / "submissions.jsonl")]
    with pytest.raises(DataError, match="the same name"):
        run(both)
    (folder / "users.jsonl").write_text('{"rating": 3, "user": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="unknown column user: did you mean users"):
        run([*both[:2], *both[3:], "--histogram", str(folder / "users.jsonl")])
    (folder / "users.jsonl").write_text('{"rating": "high", "users": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="rating is 'high': give a whole number"):
        run([*both[:2], *both[3:], "--histogram", str(folder / "users.jsonl")])


def test_a_histogram_may_have_whole_numbers_of_any_type(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("rating,users,more\n1500.0,3,x\n1500,1.0,y\n-20,0,z\n", encoding="utf-8")
    assert _users(path) == {1500: 4, -20: 0}
    for cells in ("1500.5,1,", "1500,-1,", "1500,,", ",1,", "1500,nan,", "1e400,1,"):
        path.write_text(f"rating,users,more\n{cells}\n", encoding="utf-8")
        with pytest.raises(DataError, match="row 2"):
            _users(path)


def test_ranks_alone_do_not_rank_a_model(folder: Path) -> None:
    rows = [{"participant": name, "rating_before": 1500, "rank": rank} for rank, name in enumerate("ab", 1)]
    (folder / "standings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert run(["--standings", str(folder / "standings.jsonl")]) == 0
    with pytest.raises(DataError, match=r"standings\.jsonl: participant 'a' has no points: a model is ranked by points"):
        run(["--contests", str(folder / "contest.json"), "--submissions", str(folder / "submissions.jsonl")])
