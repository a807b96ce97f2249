"""The first row of each file, checked before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.base import Config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import CountdownTask, DatasetTask, WeightedTask
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.data.first_rows import check_first_rows, conversations_taken, preferences_taken
from dunwu.errors import UserError


def write(path: Path, row: dict[str, Any]) -> str:
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return str(path)


PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}
LABELLED = {"prompt": "q", "completion": "a", "label": False}


def test_what_is_taken_in_words(tmp_path: Path) -> None:
    pairs, labelled = write(tmp_path / "pairs.jsonl", PAIR), write(tmp_path / "labelled.jsonl", LABELLED)
    assert conversations_taken(SftConfig(data=pairs)) == "preferences: learns the chosen answers"
    assert conversations_taken(SftConfig(data=labelled)).endswith("; rows with a bad label are dropped")
    assert preferences_taken(RewardModelConfig(data=pairs)) == "preferences: prompt, chosen and rejected"
    assert preferences_taken(RewardModelConfig(data=labelled, criterion="safety")).endswith("; true is read as safe")
    assert preferences_taken(RewardModelConfig(data=pairs, only={"subset": "x"})) == "rows with subset = x"


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda path: SftConfig(), "data is not set: give --data FILE"),
        (lambda path: RewardModelConfig(), "data is not set: give --data FILE"),
        (lambda path: SftConfig(data=path, validation="none.jsonl"), "none.jsonl does not exist"),
        (lambda path: SftConfig(data=path, columns={"prompt": "ask"}), "no column ask"),
        (lambda path: RewardModelConfig(data=path, criterion="safety"), "a pair without a label"),
        (lambda path: EvalConfig(task=DatasetTask(path=path)), "no column answer"),
        (lambda path: ZeroConfig(tasks=(WeightedTask(task=DatasetTask(path=path)),), evaluations=()), "no column answer"),
        (lambda path: EvalConfig(task=DatasetTask(path="none.csv")), "none.csv does not exist"),
    ],
)
def test_mistakes(make: Any, part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check_first_rows(make(write(tmp_path / "pairs.jsonl", PAIR)))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [EvalConfig(task=CountdownTask()), EvalConfig(task=DatasetTask(path="owner/name"))])
def test_generated_tasks_and_the_hub_are_not_read(config: Config) -> None:
    check_first_rows(config)
