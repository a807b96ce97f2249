"""What the claims read of the two kinds of evaluations, and what a problem's answers are worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.errors import DataError
from dunwu.evaluation.answers import Answer, difficulties, read_answers, values
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.store import write_evaluation
from dunwu.evaluation.suite import SuiteRow
from dunwu.run.tables import rows_table


def evaluated(problem: str, sample: int, completion: str, score: float | None) -> EvaluationRow:
    reason = "error" if score is None else "correct" if score else "wrong"
    return EvaluationRow(
        problem,
        "用数字",
        "zh",
        2.0,
        None,
        sample,
        completion,
        5 + sample,
        9,
        "stop",
        score,
        reason,
        sample,
        None,
        "7",  # type: ignore[arg-type]
    )


def test_an_evaluation(tmp_path: Path) -> None:
    rows = (
        evaluated("a", 0, "<think>先 加 then</think><answer>7</answer>", 1.0),
        evaluated("a", 1, "<think>1+2</think><answer>7</answer>", 0.0),
        evaluated("b", 0, "", None),
    )
    write_evaluation(tmp_path / "countdown.parquet", EvaluationResult("countdown", 2, rows))
    found = read_answers(tmp_path)
    one, two = found["reasoning-countdown/a"]
    assert (one.right, one.vote, one.thinking, one.reflections, one.difficulty) == (1, "7", 5, 0, 2.0)
    assert one.language is not None
    assert 0 < one.language < 1
    assert two.language is None
    assert values(found, "pass_at_1") == {"reasoning-countdown/a": 0.5}  # the verifier of the other failed
    assert values(found, "thinking") == {"reasoning-countdown/a": 5.5, "reasoning-countdown/b": 5.0}
    assert values(found, "reflections")["reasoning-countdown/a"] == 0.5
    assert values(found, "language") == {"reasoning-countdown/a": one.language}
    assert values(found, "general") == {}
    assert difficulties(found)["reasoning-countdown/b"] == 2.0


def test_a_suite(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    def row(score: float | None, language: float | None) -> SuiteRow:
        return SuiteRow("a", None, "?", "en", 0, "", 3, "stop", score, "wrong", True, True, 0.0, language, "", False)

    for name, rows in {
        "reasoning-en": [row(1.0, 0.5), row(0.0, None)],
        "general-tasks": [row(1.0, None)],
        "harmful": [row(None, None)],
    }.items():
        pq.write_table(rows_table(rows, SuiteRow), tmp_path / f"{name}.parquet")
    (tmp_path / "suite.json").write_text("{}", encoding="utf-8")
    found = read_answers(tmp_path)
    assert set(found) == {"reasoning-en/a", "general-tasks/a"}
    assert values(found, "pass_at_1") == {"reasoning-en/a": 0.5}
    assert values(found, "general") == {"general-tasks/a": 1.0}
    assert values(found, "language") == {"reasoning-en/a": 0.5}
    assert values(found, "thinking") == {}


def test_the_majority_wins() -> None:
    votes = [Answer(1, vote="x"), Answer(0, vote="y"), Answer(0, vote="y"), Answer(None, vote="x"), Answer(0)]
    assert values({"reasoning-x/a": votes}, "majority") == {"reasoning-x/a": 0.0}
    assert values({"reasoning-x/a": [*votes, Answer(1, vote="x"), Answer(1, vote="x")]}, "majority") == {"reasoning-x/a": 1.0}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=tmp_path.name):
        read_answers(tmp_path)
