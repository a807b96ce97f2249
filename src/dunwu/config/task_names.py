"""Tasks by name, as on the command line: `countdown`, `gsm8k`, `reasoning-gym:<name>`, `humaneval`, `code:FILE`, `file.jsonl`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import get_args

from dunwu.config.references import SUFFIXES
from dunwu.config.tasks import (
    ArithmeticTask,
    CodeDataset,
    CodeTask,
    CountdownTask,
    DatasetTask,
    EnvironmentTask,
    Game24Task,
    ReasoningGymTask,
    TaskConfig,
    Wording,
)
from dunwu.errors import ConfigError

REASONING_GYM = "reasoning-gym:"
KNOWN_DATASETS = ("gsm8k", "math")
CODE = "code:"
CODE_DATASETS: tuple[CodeDataset, ...] = get_args(CodeDataset)
NAMES = ("countdown", "game24", "arithmetic", *KNOWN_DATASETS, *CODE_DATASETS, f"{REASONING_GYM}<name>")


def parse_task(text: str, wording: Wording = "short") -> TaskConfig:
    """The task that `text` names, with this wording if it has one.

    Raises `ConfigError` with the nearest name, and for a missing data file.
    """
    match text:
        case "countdown":
            return CountdownTask(wording=wording)
        case "game24":
            return Game24Task(wording=wording)
        case "arithmetic":
            return ArithmeticTask(wording=wording)
    if text.startswith(REASONING_GYM) and len(text) > len(REASONING_GYM):
        return ReasoningGymTask(name=text.removeprefix(REASONING_GYM))
    for dataset in CODE_DATASETS:
        if text == dataset:
            return CodeTask(dataset=dataset)
    if text.startswith(CODE) and len(text) > len(CODE):
        return CodeTask(path=text.removeprefix(CODE))
    if text in KNOWN_DATASETS or (text and Path(text).exists()):
        return DatasetTask(path=text)
    if text.endswith(SUFFIXES):
        raise ConfigError(f"task {text!r}: the file does not exist; check the path")
    if text.count("/") == 1 and all(text.split("/")):
        return DatasetTask(path=text)  # a hub id, `owner/name`
    raise ConfigError(f"unknown task {text!r}: {_hint(text)}")


def task_name(task: TaskConfig) -> str:
    """The name that `parse_task` accepts, without the task's other keys."""
    match task:
        case DatasetTask():
            return task.path
        case CodeTask():
            return task.dataset or f"{CODE}{task.path}"
        case EnvironmentTask():
            return task.name
        case ReasoningGymTask():
            return f"{REASONING_GYM}{task.name}"
        case _:
            return task.kind


def _hint(text: str) -> str:
    close = difflib.get_close_matches(text.lower(), NAMES, n=1)
    return f"did you mean {close[0]}?" if close else f"expected {', '.join(NAMES)}, a file.jsonl, or a hub id owner/name"
