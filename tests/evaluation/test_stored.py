"""Stored completions are scored as sampled ones, grouped by problem, and compared with their labels."""

import json
from pathlib import Path

import pytest

from dunwu.config.tasks import DatasetTask
from dunwu.errors import DataError
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.stored import Agreement, Disagreement, StoredColumns, StoredCompletion, agreement, read_stored, score_stored
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.run.reporter import QUIET
from dunwu.types import AnswerForm

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ROWS = [
    {"id": "a", "problem": "1 + 1?", "answer": "2", "completion": "<think>x</think> <answer>2</answer>", "label": True},
    {"id": "b", "problem": "2 + 2?", "answer": "4", "completion": "<think>x</think> <answer>4", "label": True},
    {"id": "c", "problem": "1 + 1?", "answer": "2", "completion": "<think>x</think> <answer>3</answer>", "label": 1},
    {"id": "d", "problem": "2 + 2?", "answer": "4", "completion": "4", "finish_reason": "length", "label": 0},
    {"id": "e", "problem": "2 + 2?", "answer": "4", "completion": "<think>never", "finish_reason": "length"},
    {"id": "f", "problem": "2 + 2?", "answer": "4", "completion": "<answer>4.0</answer>", "label": False},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scored(
    path: Path, task: DatasetTask, columns: StoredColumns, form: AnswerForm = "tags-or-boxed", close: bool = False
) -> tuple[list[StoredCompletion], EvaluationResult]:
    stored = read_stored(path, task, columns, form, close)
    with RewardPool(rule_reward(), 0, 5.0) as pool:
        return stored, score_stored(stored, "rows", pool, QUIET)


COLUMNS = StoredColumns("completion", "label")


@pytest.mark.parametrize("close", [False, True])
def test_completions_are_scored_and_grouped(tmp_path: Path, close: bool) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    stored, result = scored(path, DatasetTask(path=str(path)), COLUMNS, close=close)
    assert [[row.verdict for row in rows] for rows in result.problems] == [
        ["correct", "wrong"],
        ["correct" if close else "unparsable", "unparsable", "unparsable", "correct"],
    ]
    assert [[row.sample for row in rows] for rows in result.problems] == [[0, 1], [0, 1, 2, 3]]
    summary = result.summary()
    assert (result.k, summary["problems"], summary["samples"]) == (2, 2, 6)
    assert summary["pass_at_1"] == (1 / 2 + (2 if close else 1) / 4) / 2
    assert summary["mean_length"] is None
    assert summary["thinking_length"] is None
    assert summary["clipped_ratio"] == 2 / 6
    assert summary["unread"]["cut off at the token limit"] == 2
    found = agreement(stored, result.rows)
    assert found is not None
    assert (found.both_right, found.both_wrong, found.only_verifier_right, found.only_label_right) == (1 + close, 1, 1, 2 - close)
    assert Disagreement("c", "wrong", True) in found.disagreements
    assert Disagreement("f", "correct", False) in found.disagreements


def test_without_labels_there_is_no_agreement(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{**row, "label": None} for row in ROWS])
    stored, result = scored(path, DatasetTask(path=str(path)), COLUMNS)
    assert agreement(stored, result.rows) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"completion": None}, "completion"),
        ({"answer": ""}, "gold"),
        ({"label": "yes"}, "yes"),
        ({"answer": "5"}, "'5'"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = write(tmp_path / "rows.jsonl", [*ROWS[:2], {**ROWS[2], **change}])
    with pytest.raises(DataError, match=said):
        read_stored(path, DatasetTask(path=str(path)), COLUMNS, "tags-or-boxed", close_answer=False)


@pytest.mark.skipif(not (SHARED / "gsm8k_model_solutions").is_dir(), reason="the shared data are not here")
def test_labels_of_real_solutions_agree() -> None:
    path = SHARED / "gsm8k_model_solutions" / "pairs.jsonl"
    task = DatasetTask(path=str(path), answer_column="gold")
    stored, result = scored(path, task, StoredColumns("solution", "label"), "last-number")
    assert (len(result.problems), result.k) == (879, 4)
    assert agreement(stored, result.rows) == Agreement(1314, 2202, 0, 0, 0, ())


def test_a_completion_is_never_its_own_gold(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"problem": "1 + 1?", "solution": "\\boxed{7}", "ground_truth": "2"}])
    with pytest.raises(DataError, match="solution"):
        read_stored(path, DatasetTask(path=str(path)), StoredColumns("solution", "label"), "tags-or-boxed", False)
