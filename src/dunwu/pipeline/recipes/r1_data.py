"""The user's own data for R1 on a real model: which files there must be and what their rows hold, seen to before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dunwu.errors import DataError
from dunwu.tasks.rows import SUFFIXES, first_row

FILES: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "reasoning": (("problem", "answer"), ("question", "answer"), ("problem", "solution")),
        "general": (("messages",), ("prompt", "completion")),
        "prompts": (("prompt",), ("messages",)),
        "problems": (("problem", "answer"), ("question", "answer")),
        "pairs": (("prompt", "chosen", "rejected"),),
        "labelled": (("prompt", "completion", "label"),),
    }
)
"""By name: the columns that a row may have. `reasoning` is what all learning by rules and all sampling draw from; `general` is learned from
as it is; `prompts` are asked in the last stage and by the suite, which needs some with `harmful: true` and some without among the held-out
ones; `problems` are measured on; `pairs` and `labelled` are for the reward models."""


def data_paths(folder: Path) -> dict[str, str]:
    """The file or folder of each name in ``folder``. Raises ``DataError`` naming all that are missing, or the first of another shape."""
    found = {name: _find(folder, name) for name in FILES}
    if missing := [f"{name} ({_columns(name)})" for name, path in found.items() if path is None]:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}: add for each a file NAME.jsonl or NAME.parquet, or a folder NAME of such,"
            " with rows of these columns"
        )
    paths = {name: path for name, path in found.items() if path is not None}
    for name, path in paths.items():
        row = first_row(path)
        if not any(row.columns.keys() >= set(columns) for columns in FILES[name]):
            raise DataError(f"{row.where}: columns {', '.join(row.columns) or 'none'}: {name} needs {_columns(name)}; rename or add them")
    return {name: str(path) for name, path in paths.items()}


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in SUFFIXES)]
    return next((path for path in candidates if path.exists()), None)


def _columns(name: str) -> str:
    return " or ".join(", ".join(columns) for columns in FILES[name])
