"""Decisions on rows: on disk as they are made, taken up again after any stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.data.io.review import Review
from dunwu.errors import DataError


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def rows(write_rows: Any) -> Path:
    return Path(write_rows("rows.jsonl", [{"n": 1}, {"n": 2}, {"n": 1}, {"n": 3}]))


def test_decisions(rows: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    review = Review(rows, kept)
    review.decide("keep")
    review.decide("reject")
    assert lines(kept) == [{"n": 1}]
    again = Review(rows, kept)
    assert again.counts == {"rows": 4, "decided": 2, "keep": 1, "edit": 0, "reject": 1}
    assert again.current is not None
    assert again.current.number == 3
    again.decide("edit", {"n": 9})
    again.decide("keep")
    assert again.current is None
    assert lines(kept) == [{"n": 1}, {"n": 9}, {"n": 3}]


def test_rows_that_were_added_are_asked_and_no_other(rows: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    review = Review(rows, kept)
    while review.current:
        review.decide("keep")
    rows.write_text('{"n": 4}\n' + rows.read_text(encoding="utf-8"), encoding="utf-8")
    again = Review(rows, kept)
    assert again.current is not None
    assert again.current.columns == {"n": 4}
    again.decide("reject")
    assert again.current is None


def test_a_kill_between_two_writes_loses_one_decision_at_most(rows: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    review = Review(rows, kept)
    review.decide("keep")
    review.decide("keep")
    decisions = tmp_path / "kept.jsonl.review"
    decisions.write_bytes(decisions.read_bytes()[:-5])
    again = Review(rows, kept)
    assert again.counts["decided"] == 1
    assert lines(kept) == [{"n": 1}]
    again.decide("reject")
    assert Review(rows, kept).counts["reject"] == 1


def test_what_is_no_review_is_left_alone(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not the result of a review"):
        Review(rows, rows)
    other = tmp_path / "precious.jsonl"
    other.write_text("mine\n", encoding="utf-8")
    with pytest.raises(DataError, match="not the result of a review"):
        Review(rows, other)
    assert other.read_text(encoding="utf-8") == "mine\n"


def test_a_corrupt_decision_is_refused(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.jsonl.review").write_text('{"key": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 1 is corrupt"):
        Review(rows, tmp_path / "kept.jsonl")
