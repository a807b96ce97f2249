"""Rows in the shape of problems."""

from typing import Any

import pytest

from dunwu.config.tasks import CodeTask, DatasetTask
from dunwu.errors import DataError
from dunwu.tasks.rows import Row
from dunwu.tasks.shapes import code_rows_of, of_split, shaped, wanted_rows

GPQA = DatasetTask(
    path="x",
    verifier="choice",
    problem_column="Question",
    answer_column="Right",
    option_columns=("Right", "Wrong 1", "Wrong 2"),
    statement="{Question}\n{options}\nWhich?",
)


def row(split: Any = "unnamed", **columns: Any) -> Row:
    return Row(columns, "rows.jsonl", 1, split)


def test_rows_of_other_tasks_are_unchanged() -> None:
    one = row(question="1+1?", answer="2")
    assert shaped(one, DatasetTask(path="x")) is one


def test_a_statement_takes_columns_once() -> None:
    made = shaped(row(fact="{b} A", b="no", term=3), DatasetTask(path="x", statement="{fact}: {term}?", answer_column="term"))
    assert (made.columns["problem"], made.columns["answer"]) == ("{b} A: 3?", 3)


@pytest.mark.parametrize(("answer", "letter"), [("B", "B"), ("b", "B"), (1, "B"), ("two", "B"), (0, "A")])
def test_answers_are_letters_texts_or_numbers(answer: Any, letter: str) -> None:
    task = DatasetTask(path="x", verifier="choice", option_columns=("choices",))
    made = shaped(row(question="Which?", choices=["one", "two"], answer=answer), task)
    assert (made.columns["answer"], made.columns["options"]) == (letter, {"A": "one", "B": "two"})
    assert made.columns["problem"] == "Which?\n\nA. one\nB. two"


def test_options_with_the_answer_among_them_are_shuffled_by_the_question() -> None:
    letters = set()
    for n in range(20):
        made = shaped(row(**{"Question": f"Q{n}", "Right": "yes", "Wrong 1": "no", "Wrong 2": "never"}), GPQA).columns
        assert made["options"][made["answer"]] == "yes"
        assert sorted(made["options"].values()) == ["never", "no", "yes"]
        assert made == shaped(row(**{"Question": f"Q{n}", "Right": "yes", "Wrong 1": "no", "Wrong 2": "never"}), GPQA).columns
        letters.add(made["answer"])
    assert letters == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"Question": "Q", "Right": "yes", "Wrong 1": "no"}, "Wrong 2"),
        ({"Question": "Q", "Right": "yes", "Wrong 1": "no", "Wrong 2": ""}, "2 options"),
        ({"Right": "yes", "Wrong 1": "no", "Wrong 2": "never"}, "Question"),
    ],
)
def test_a_missing_column_is_named(columns: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        shaped(row(**columns), GPQA)


def test_an_answer_that_is_no_option_is_refused() -> None:
    task = DatasetTask(path="x", verifier="choice", option_columns=("choices",))
    with pytest.raises(DataError, match="none of the 2 options"):
        shaped(row(question="Which?", choices=["one", "two"], answer=2), task)


def test_only_the_wanted_rows_of_the_wanted_split() -> None:
    rows = [row("train", type="a"), row("test", type="a"), row("test", type="b")]
    task = DatasetTask(path="x", only={"type": "a"}, only_split="test")
    assert wanted_rows(rows, task) == [rows[1]]
    assert [each.split for each in of_split(rows[:1], "test")] == ["test"]
    with pytest.raises(DataError, match="type = c"):
        wanted_rows(rows, task.model_copy(update={"only": {"type": "c"}}))


def test_a_code_row_may_name_its_split() -> None:
    rows = [row(split="train"), Row({"split": "test"}, "rows.jsonl", 2, "unnamed"), Row({"split": "prompt"}, "rows.jsonl", 3, "unnamed")]
    assert [each.number for each in code_rows_of(rows, CodeTask(path="x", only_split="test"))] == [2]


def test_one_gold_for_all() -> None:
    task = DatasetTask(path="x", verifier="refusal", problem_column="prompt", gold="refuse")
    assert shaped(row(prompt="How?"), task).columns["answer"] == "refuse"
