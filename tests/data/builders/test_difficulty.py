"""Problems by pass rate: bounds included, a histogram, rows that a data set as a task reads back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.data_rows import DifficultyConfig
from dunwu.config.load import validate
from dunwu.config.tasks import DatasetTask, WeightedTask
from dunwu.data.builders.difficulty import filter_by_difficulty, histogram
from dunwu.data.builders.sampled import training_problems
from dunwu.errors import ConfigError
from dunwu.tasks.make import make_task
from tests.data.conftest import opener

calls: dict[int, int] = {}


def model(messages: list[dict[str, str]], seed: int) -> str:
    """Right as many times of 8 as the number that is asked about."""
    number = int(re.findall(r"\d+", messages[-1]["content"])[0])
    calls[number] = calls.get(number, 0) + 1
    return f"\\boxed{{{2 * number if calls[number] <= number else -1}}}"


def test_what_is_kept(sums: str, tmp_path: Path, count: Callable[..., Any]) -> None:
    calls.clear()
    config = {"generator": {"kind": "own", "function": "m.py:model"}, "task": {"kind": "dataset", "path": sums}, "samples": 8}
    how = validate(DifficultyConfig, {**config, "lowest": 0.25, "highest": 0.75, "reward_workers": 0})
    made = filter_by_difficulty(how, opener(model=model), count)
    assert sorted((int(row["answer"]) // 2, row["pass_rate"]) for row in made.rows) == [(n, n / 8) for n in range(2, 7)]
    assert {step.name: step.removed for step in made.funnel.steps if step.removed} == {"too hard": 2, "too easy": 1}
    assert made.facts["problems by pass rate"] == {
        "0": 1, "0-0.1": 0, "0.1-0.2": 1, "0.2-0.3": 1, "0.3-0.4": 1, "0.4-0.5": 0,
        "0.5-0.6": 1, "0.6-0.7": 1, "0.7-0.8": 1, "0.8-0.9": 1, "0.9-1": 0, "1": 0,
    }  # fmt: skip
    made.write(tmp_path, count, 0)
    again = make_task(DatasetTask(path=str(tmp_path / "train.jsonl"), verifier="plain_number"))
    problem = again.train(0, 0)
    assert problem.answer == str(2 * int(re.findall(r"\d+", problem.text)[0]))
    assert problem.data["pass_rate"] in [n / 8 for n in range(2, 7)]


def fair(messages: list[dict[str, str]], seed: int) -> str:
    """Right or wrong by the toss of a coin, whatever is asked."""
    asked = messages[-1]["content"].partition("=")[0]
    return f"\\boxed{{{answers[asked] if seed % 2 else -1}}}"


answers: dict[str, str] = {}


def test_a_generated_task_with_answers_becomes_a_data_set(tmp_path: Path, count: Callable[..., Any]) -> None:
    task = {"kind": "arithmetic", "max_terms": 2, "languages": ["en", "zh"]}
    how = validate(
        DifficultyConfig, {"generator": {"kind": "own", "function": "m.py:fair"}, "task": task, "prompts": 40, "reward_workers": 0}
    )
    asked = {problem.text: problem for problem in training_problems([WeightedTask(task=how.task)], 40, 0)}
    answers.update({text.partition("=")[0]: problem.answer or "" for text, problem in asked.items()})
    made = filter_by_difficulty(how, opener(fair=fair), count)
    assert 10 < len(made.rows) < 40
    assert {row["language"] for row in made.rows} == {"en", "zh"}
    assert made.notes == ["To be read as a task of the kind dataset with verifier: plain_number; the problems are in en and zh."]
    made.write(tmp_path, count, 0)
    for problem in training_problems([WeightedTask(task=DatasetTask(path=str(tmp_path / "train.jsonl"), verifier="plain_number"))], 5, 0):
        original = asked[problem.text]
        assert (problem.verifier, problem.answer, problem.difficulty) == (original.verifier, original.answer, original.difficulty)
        assert problem.data["expression"] == original.data["expression"]


@pytest.mark.parametrize(
    ("task", "verifier"),
    [
        ({"kind": "countdown"}, "expression"),
        ({"kind": "game24"}, "expression"),
        ({"kind": "reasoning_gym", "name": "leg_counting", "size": 20}, "reasoning_gym"),
        ({"kind": "chat", "path": "chat.jsonl"}, "none"),
    ],
)
def test_problems_that_rows_cannot_hold_are_refused_before_anything_is_asked(
    task: dict[str, Any], verifier: str, write_rows: Callable[..., str], count: Callable[..., Any]
) -> None:
    if "path" in task:
        task = {**task, "path": write_rows("chat.jsonl", [{"prompt": f"Hello {n}"} for n in range(60)])}
    how = validate(DifficultyConfig, {"generator": {"kind": "own", "function": "m.py:never"}, "task": task, "prompts": 3})
    with pytest.raises(ConfigError, match=f"task.kind = '{task['kind']}': .*{verifier}"):
        filter_by_difficulty(how, opener(never=lambda messages, seed: pytest.fail("it was asked")), count)


def test_bins() -> None:
    found = histogram([0.0, 0.05, 0.1, 0.95, 1.0, 1.0])
    assert {name: number for name, number in found.items() if number} == {"0": 1, "0-0.1": 1, "0.1-0.2": 1, "0.9-1": 1, "1": 2}
    assert sum(found.values()) == 6


def test_bounds_the_wrong_way_round() -> None:
    with pytest.raises(ConfigError, match=r"lowest = 0.9 is above highest = 0.1"):
        validate(DifficultyConfig, {"task": {"kind": "dataset", "path": "x"}, "lowest": 0.9, "highest": 0.1})
