"""`dunwu review` with its keys from a file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import COMMANDS, main

ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1", "reasoning_content": "I count.\x1b[2J"}]},
    {"messages": [{"role": "user", "content": "Two?"}, {"role": "assistant", "content": "2"}]},
    {"question": "Three?", "answer": "3"},
]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(COMMANDS, "review", "")
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def review(monkeypatch: pytest.MonkeyPatch, keys: str, *arguments: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(keys))
    return main(["review", "rows.jsonl", *arguments])


def kept(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_review_in_two_sittings(rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert review(monkeypatch, "x\nk\n") == 0
    out = capsys.readouterr().out
    assert "'x' is not a key" in out
    assert "<think>\nI count." in out
    assert "\x1b" not in out
    assert "the same command resumes" in out
    edited = {"messages": [ROWS[1]["messages"][0], {"role": "assistant", "content": "two"}]}
    wrong = {"messages": [{"role": "user", "content": "alone"}]}
    assert review(monkeypatch, f"e\nnot json\ne\n[1]\ne\n{json.dumps(wrong)}\ne\n{json.dumps(edited)}\nr\n") == 0
    out = capsys.readouterr().out
    assert "One?" not in out
    assert "2 of 3" in out
    assert "Three?" in out
    assert "not JSON" in out
    assert "no assistant turn" in out
    assert "rows 3, decided 3, keep 1, edit 1, reject 1" in out
    assert kept(rows.with_name("kept.jsonl")) == [ROWS[0], edited]


def test_quit_and_another_out(rows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert review(monkeypatch, "r\nq\nk\n", "--out", "deep/kept.jsonl") == 0
    assert kept(tmp_path / "deep" / "kept.jsonl") == []


def test_mistakes_are_one_line(rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert review(monkeypatch, "", "--out", "rows.jsonl") == 2
    assert review(monkeypatch, "", "more") == 2
    rows.unlink()
    assert review(monkeypatch, "") == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "choose another" in errors[0]
    assert "does not exist" in errors[2]
