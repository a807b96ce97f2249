"""Tasks by name: `countdown`, `gsm8k`, `reasoning-gym:<name>`, `humaneval`, `code:FILE`, `file.jsonl`, a hub id."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from dunwu.config.references import SUFFIXES, plain_name
from dunwu.errors import ConfigError

GENERATED = ("countdown", "game24", "arithmetic")
REASONING_GYM = "reasoning-gym:"
KNOWN_DATASETS = ("gsm8k", "math")
CODE = "code:"
CODE_DATASETS = ("humaneval", "mbpp", "mbpp_sanitized", "gcj", "codecontests")
NAMES = (*GENERATED, *KNOWN_DATASETS, *CODE_DATASETS, f"{REASONING_GYM}<name>")


def task_keys(text: str) -> dict[str, Any]:
    """The keys of the task that `text` names. Raises `ConfigError` with the nearest name, and for a missing data file."""
    if text in GENERATED:
        return {"kind": text}
    if text in CODE_DATASETS:
        return {"kind": "code", "dataset": text}
    for start, keys in ((REASONING_GYM, ("reasoning_gym", "name")), (CODE, ("code", "path"))):
        if text.startswith(start) and len(text) > len(start):
            return {"kind": keys[0], keys[1]: text.removeprefix(start)}
    if text in KNOWN_DATASETS or (text and Path(text).expanduser().exists()):
        return {"kind": "dataset", "path": text}
    if text.endswith(SUFFIXES):
        raise ConfigError(f"task {text!r}: the file does not exist; check the path")
    if text.count("/") == 1 and all(text.split("/")):
        return {"kind": "dataset", "path": text}  # a hub id, `owner/name`
    raise ConfigError(f"unknown task {text!r}: {_hint(text)}")


def listed_with_task(sources: Any) -> Any:
    """A list whose members have the key `task`, from tasks alone or in a list, each by its name, its keys, or already so."""
    each = [sources] if isinstance(sources, str | dict) else sources
    return [_with_task(one) for one in each] if isinstance(each, list | tuple) else sources


def task_list(sources: Any) -> Any:
    """Sources of a mixture as a list of mappings with the keys of each task, so that overrides may index it (`tasks.0.task.levels`)."""
    each = listed_with_task(sources)
    return [_keys(one) for one in each] if isinstance(each, list) else each


def _with_task(source: Any) -> Any:
    return {"task": source} if isinstance(source, str) or (isinstance(source, dict) and "kind" in source) else source


def _keys(source: Any) -> Any:
    named = isinstance(source, dict) and isinstance(source.get("task"), str)
    return {**source, "task": task_keys(source["task"])} if named else source


def data_name(path: str) -> str:
    """A short name for a data set: the last part of its path without the ending."""
    name = Path(path).expanduser().resolve().name if Path(path).expanduser().exists() else path.rpartition("/")[2]
    return plain_name(name)


def _hint(text: str) -> str:
    near = difflib.get_close_matches(text.lower(), NAMES, n=1)
    return f"did you mean {near[0]}?" if near else f"expected {', '.join(NAMES)}, a file.jsonl, or a hub id owner/name"
