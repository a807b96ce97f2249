"""Stored completions are scored as sampled ones, grouped by problem, and compared with their labels."""

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.tasks import DatasetTask
from dunwu.errors import DataError
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.stored import Agreement, Disagreement, Stored, StoredColumns, StoredCompletion, agreement, read_stored, score_stored
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
    stored = list(read_stored(path, task, columns, form, close).completions)
    with RewardPool(rule_reward(), 0, 5.0) as pool:
        return stored, score_stored(stored, "rows", pool, QUIET)


COLUMNS = StoredColumns("completion")


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


def read(path: Path, columns: StoredColumns = COLUMNS, **task: Any) -> Stored:
    return read_stored(path, DatasetTask(path=str(path), **task), columns, "tags-or-boxed", False)


def test_majority_is_over_the_first_k_of_unequal_samples(tmp_path: Path) -> None:
    answers = {"a": ["1", "1", "2", "2", "2"], "b": ["3", "3"]}  # golds 1 and 3: all five samples of a would elect 2
    rows: list[dict[str, object]] = [
        {"problem": problem, "answer": "1" if problem == "a" else "3", "completion": f"<answer>{answer}</answer>"}
        for problem, given in answers.items()
        for answer in given
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    _, result = scored(path, DatasetTask(path=str(path)), COLUMNS)
    summary = result.summary()
    assert (result.k, summary["majority_at_k"]) == (2, 1.0)
    assert summary["pass_at_k"] == pytest.approx((1 - 3 / 10 + 1) / 2)  # of a: 1 - C(3, 2) / C(5, 2)


@pytest.mark.parametrize(
    ("change", "conflict"),
    [
        ({"answer": "2.0"}, False),
        ({"answer": "x"}, True),
        ({"answer": "x", "verifier": "text"}, True),
        ({"answer": ["2", "3"], "verifier": "text"}, True),
        ({"schema": {"type": "object"}, "verifier": "json_schema"}, True),
        ({"instructions": [{"kind": "no_commas"}], "verifier": "instructions"}, True),
    ],
)
def test_rows_of_one_problem_are_verified_alike(tmp_path: Path, change: dict[str, Any], conflict: bool) -> None:
    verifier = change.pop("verifier", "auto")
    row = {"problem": "1 + 1?", "answer": "2", "completion": "3", "schema": {"type": "array"}, "instructions": [{"kind": "lowercase"}]}
    path = write(tmp_path / "rows.jsonl", [row, row, row | change])
    if not conflict:
        assert len({each.problem.id for each in read(path, verifier=verifier).completions}) == 1
        return
    with pytest.raises(DataError, match="row 1 and row 3 have one problem and different"):
        read(path, verifier=verifier)


def test_a_schema_needs_no_gold(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"problem": "A list.", "schema": {"type": "array"}, "answer": "[1]"},
        {"problem": "A number.", "schema": {"type": "number"}, "answer": "1"},
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    columns = StoredColumns("answer")
    assert [each.text for each in read(path, columns, verifier="json_schema").completions] == ["[1]", "1"]
    with pytest.raises(DataError, match="no schema in column schema"):
        read(write(path, [{"problem": "A list.", "answer": "[1]"}]), columns, verifier="json_schema")


def test_remedies_are_options(tmp_path: Path) -> None:
    for row, option in (
        ({"problem": "q", "answers": "1", "completion": "1"}, "give --answer-column answers"),
        ({"problems": "q", "answer": "1", "completion": "1"}, "give --problem-column problems"),
        ({"text": "q", "answer": "1", "completion": "1"}, "with --problem-column"),
        ({"problem": "q", "answer": "1", "completions": "1"}, "give --completion-column completions"),
    ):
        with pytest.raises(DataError, match=option):
            read(write(tmp_path / "rows.jsonl", [row]))


def test_whether_completions_were_cut_off_is_asked_of_all_rows(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"problem": "q", "answer": "1", "completion": "1", "finish_reason": reason} for reason in (None, "")]
    assert not read(write(tmp_path / "rows.jsonl", rows)).ends_known
    assert read(write(tmp_path / "rows.jsonl", [*rows, {**rows[0], "finish_reason": "length"}])).ends_known


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(True, None), ("slow", None), (-1, None), (10**400, None), (float("nan"), None), (float("inf"), None), (90, 90.0)],
)
def test_odd_solving_times_and_levels_are_none(tmp_path: Path, value: object, seconds: float | None) -> None:
    row: dict[str, object] = {"problem": "q", "answer": "1", "completion": "<answer>1</answer>", "human_seconds": value, "level": value}
    path = write(tmp_path / "rows.jsonl", [row])
    _, result = scored(path, DatasetTask(path=str(path)), COLUMNS)
    assert [(each.human_seconds, each.difficulty) for each in result.rows] == [(seconds, seconds)]
    assert "thinking_vs_human_seconds" not in result.summary()  # no tokens are known


def test_columns_that_the_verifier_does_not_read_may_differ(tmp_path: Path) -> None:
    row = {"problem": "q", "answer": "1", "completion": "1", "answers": 5, "options": float("nan"), "schema": [1]}
    path = write(tmp_path / "rows.jsonl", [row, row | {"answers": 6, "options": "x", "schema": 3}])
    first, second = read(path).completions
    assert first.problem is second.problem
    choice = row | {"answer": "A", "options": ["x", float("nan")]}
    assert len(read(write(path, [choice, choice]), verifier="choice").completions) == 2
    with pytest.raises(DataError, match="different options"):
        read(write(path, [choice, choice | {"options": ["y"]}]), verifier="choice")


def test_a_completion_of_another_type_is_no_misspelt_column(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"problem": "q", "answer": "1", "completion": 2}])
    with pytest.raises(DataError, match="name the right one with --completion-column"):
        read(path)
