"""`dunwu eval --endpoint`: a model behind an endpoint, over real HTTP; stopped, and continued without asking twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.evaluation.kept import UNFINISHED
from dunwu.evaluation.store import read_evaluation
from tests.openai_server import Body, Teacher, serving

PROBLEMS = 6


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "sums_test.jsonl"
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(PROBLEMS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def reply(body: Body) -> str:
    """Right for the even ones, and asked for a box; the thought names another number."""
    asked = str(body["messages"][-1]["content"])
    match = re.search(r"What is (\d+)", asked)
    assert match is not None
    assert "\\boxed{}" in asked
    n = int(match[1])
    return f"<think>Perhaps \\boxed{{{n + 7}}}.</think>It is \\boxed{{{n + 1 + n % 2}}}."


def command(url: str, rows: Path, out: Path, *more: str) -> list[str]:
    return ["eval", "some-model", "--endpoint", url, "--task", str(rows), "--samples", "2", "--out", str(out), "--concurrency", "2", *more]


def test_reasoning_is_joined_and_the_answers_are_verified(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "a-secret-of-the-endpoint")
    with serving(Teacher(reply)) as teacher:
        assert main(command(teacher.url, rows, tmp_path / "out", "--key-env", "SOME_KEY", "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["summary"]["pass_at_1"], found["summary"]["samples"], found["summary"]["mean_length"]) == (0.5, 12, None)
    result = read_evaluation(tmp_path / "out" / "evaluation.parquet")
    assert [row.correct for row in result.rows] == [1, 1, 0, 0] * 3
    assert result.rows[0].completion.startswith("<think>Perhaps")
    written = (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")
    assert "a-secret" not in written
    assert json.loads(written)["endpoint"] == teacher.url
    assert not (tmp_path / "out" / UNFINISHED).exists()


def test_a_killed_evaluation_asks_for_nothing_twice(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with serving(Teacher(reply, stall_after=5)) as teacher:
        arguments = command(teacher.url, rows, out)
        started = subprocess.Popen([sys.executable, "-m", "dunwu.cli.main", *arguments], stdout=subprocess.DEVNULL, env={**os.environ})
        deadline = time.monotonic() + 90
        while teacher.stalled < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        started.send_signal(signal.SIGKILL)
        started.wait()
        assert (out / UNFINISHED).read_bytes().count(b"\n") == 5
        teacher.release()
        assert main(arguments) == 0
    assert "5 of 12 answers are there already" in capsys.readouterr().out
    assert sorted(teacher.answered.values()) == [1] * 12
    assert read_evaluation(out / "evaluation.parquet").summary()["pass_at_1"] == 0.5


def test_cut_off_and_refused_answers_count_apart(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def some(body: Body) -> str | tuple[int, bytes]:
        n = int(re.findall(r"What is (\d+)", body["messages"][-1]["content"])[0])
        if n == PROBLEMS - 1:
            return 400, b'{"error": "no"}'
        cut = {"choices": [{"message": {"content": "It is 3"}, "finish_reason": "length"}]}
        return (200, json.dumps(cut).encode()) if n == 1 else reply(body)

    with serving(Teacher(some)) as teacher:
        assert main(command(teacher.url, rows, tmp_path / "out", "--json")) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)["summary"]
    assert summary["clipped_ratio"] == pytest.approx(2 / 12)
    assert summary["verdicts"] == {"correct": 6, "unparsable": 4, "wrong": 2}
    assert "1 prompts were refused" in " ".join(printed.err.split())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--endpoint", "localhost"], "not the address"),
        (["--endpoint", "http://user:key@localhost/v1"], "key_env"),
        (["--endpoint", "http://localhost:9/v1", "--template", "r1-zero"], "lays out its prompts itself"),
        (["--endpoint", "http://localhost:9/v1", "--key-env", "NO_SUCH_VARIABLE_HERE"], "no usable key"),
    ],
)
def test_mistakes_are_one_line(more: list[str], said: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "m", "--task", str(rows), "--out", str(tmp_path / "out"), *more]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_answers_must_be_kept(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "m", "--task", str(rows), "--endpoint", "http://localhost:9/v1"]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_dry_run_shows_the_first_request(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "m", "--task", str(rows), "--endpoint", "http://localhost:9/v1", "--dry-run", "template.system=Be brief."]) == 0
    out = capsys.readouterr().out
    assert "24 requests" in out
    assert "| system: Be brief." in out


def test_generated_problems_ask_for_a_box_since_servers_may_leave_out_tags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "m", "--suite", "game24", "--endpoint", "http://localhost:9/v1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "\\boxed{" in out
    assert "<answer>" not in out
