"""What went wrong for users, a folder a case: each `case.json` says what is expected, and the tables below how it is looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import main
from dunwu.config.tasks import DatasetTask
from dunwu.data.io.chat_examples import Counts, ExampleReader
from dunwu.data.usable import refusal, unusable
from dunwu.errors import DataError
from dunwu.tasks.dataset import Dataset
from dunwu.types import Problem

HERE = Path(__file__).parent

MATHS = ("F01", "F02", "F04", "F05", "F07", "F08", "F10", "F11", "F13", "F14", "F16", "F17", "F35")
"""Rows with a label: `dunwu verify math`."""
ACCURACY = {"F01": 1.0, "F19": 0.0, "F20": 1.0, "F29": 1.0}
"""Of every completion of the case: `dunwu verify rollout`."""
LEARNED_TOKENS = {
    ("F25", "as_reasoning_content.jsonl"): 114,
    ("F25", "reasoning.jsonl"): 114,
    ("F25", "thinking.jsonl"): 114,
    ("F26", "train_false.jsonl"): 6,
    ("F26", "weight.jsonl"): 6,
}
"""Of the rows as conversations of the tiny world: `dunwu sft`."""


def folder(case: str) -> Path:
    [found] = HERE.glob(f"{case}_*")
    return found


def all_problems(path: str) -> list[Problem]:
    """Of all splits; refused as a run refuses them."""
    problems = [problem for members in Dataset(DatasetTask(path=path))._problems.values() for problem in members]
    if found := unusable(problems, None):
        raise DataError(refusal(found))
    return problems


def rollouts() -> list[tuple[str, Path]]:
    return [(case, file) for case in ACCURACY for file in sorted(folder(case).glob("r*.json"))]


@pytest.mark.parametrize("case", MATHS)
def test_maths_rows_are_judged_as_labelled(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder(case) / "in.jsonl"
    labels = {row["id"]: row["expected_label"] for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()) if row}
    assert main(["verify", "math", str(file), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["id"]: row["verdict"] for row in found} == labels


@pytest.mark.parametrize(("case", "file"), rollouts(), ids=lambda value: getattr(value, "name", value))
def test_the_accuracy_of_a_completion(case: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "rollout", str(file), "--json", "reward=[accuracy]"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"] == {"accuracy": ACCURACY[case]}


@pytest.mark.parametrize(("case", "name"), LEARNED_TOKENS)
def test_what_is_learned_of_conversations(case: str, name: str, tiny_world: tuple[Any, Any]) -> None:
    tokenizer, template = tiny_world
    counts = Counts()
    for _ in ExampleReader(folder(case) / name, template, tokenizer, 1000, "refuse").read(counts):
        pass
    assert counts.learned_tokens == LEARNED_TOKENS[case, name]


@pytest.fixture(scope="module")
def tiny_world() -> tuple[Any, Any]:
    """Tokenizer and training template of the bundled model."""
    from transformers import AutoTokenizer

    from dunwu.models.bundled import bundled_path
    from dunwu.models.chat import training_template

    tokenizer = AutoTokenizer.from_pretrained(bundled_path())
    return tokenizer, training_template("tiny", tokenizer)


def test_f05_a_box_without_braces_is_a_gold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNWU_DATA", str(folder("F05") / "data"))
    problems = all_problems("math")
    [found] = [problem for problem in problems if problem.text.startswith("Which root")]
    assert "1" in (found.answer or "")


def test_f07_a_clock_time_refuses_no_data_set() -> None:
    assert len(all_problems(str(folder("F07") / "train.jsonl"))) == 12


def test_f31_more_digits_than_python_prints(capsys: pytest.CaptureFixture[str]) -> None:
    program, problems = folder("F31") / "a.py", folder("F31") / "problems.json"
    assert main(["verify", "code", str(program), "--problems", str(problems), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "ok"


@pytest.mark.parametrize(("name", "answers"), [("list.jsonl", [3.0]), ("decimal.parquet", [1.5, 2.0, 3.25])])
def test_f34_answers_of_other_types(name: str, answers: list[float]) -> None:
    assert sorted(float(problem.answer or "") for problem in all_problems(str(folder("F34") / name))) == answers


@pytest.mark.parametrize(("name", "rows"), [("list.jsonl", 1), ("decimal.parquet", 3)])
def test_f34_the_command_evaluates_them(name: str, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--task", str(folder("F34") / name), "--problems", "3", "--samples", "1", "--max-tokens", "8"]) == 0
    told = capsys.readouterr()
    assert f"{rows} problems x 1 samples" in told.out
    assert "has no test rows" in told.err


def test_f34_a_column_twice_is_named() -> None:
    with pytest.raises(DataError, match=r"two columns.*answer"):
        all_problems(str(folder("F34") / "two_columns.parquet"))
