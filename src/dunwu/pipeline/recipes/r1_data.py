"""Custom data for R1 on a real model: the required files and the columns of their rows, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dunwu.config.references import SUFFIXES
from dunwu.errors import DataError
from dunwu.tasks.columns import filled
from dunwu.tasks.forms import ANSWER_COLUMNS, CONVERSATIONS, LABELLED, PAIRS, PROBLEM_COLUMNS, Form, form_of
from dunwu.tasks.rows import first_row

FILES: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "reasoning": (("problem", "answer"), ("question", "answer"), ("problem", "solution")),
        "general": (("messages",), ("prompt", "completion")),
        "prompts": (("prompt",), ("messages",)),
        "problems": (("problem", "answer"), ("question", "answer")),
        "pairs": (("prompt", "chosen", "rejected"),),
        "labelled": (("prompt", "completion", "label"),),
        "annotated": (("messages",),),
    }
)
"""By name: the columns that a row may have. `reasoning`: problems for RL with rules and for all sampling; `general`: rows for fine-tuning;
`prompts`: for the last stage and the suite, whose held-out ones must include some with `harmful: true` and some without; `problems`: for
evaluation; `pairs` and `labelled`: for the reward models; `annotated`: rows of the cold start that people wrote."""
OPTIONAL = ("annotated",)
FORMS: Mapping[str, tuple[Form, ...]] = MappingProxyType(
    {"general": CONVERSATIONS[:-1], "pairs": PAIRS, "labelled": LABELLED, "annotated": CONVERSATIONS[:-1]}
)
"""Further forms that a row may have, by name."""


def data_paths(folder: Path) -> dict[str, str]:
    """The file or folder of each name in ``folder``, without `OPTIONAL` ones that it lacks.

    Raises ``DataError`` with all missing names, or the first with wrong columns.
    """
    found = {name: _find(folder, name) for name in FILES}
    if missing := [f"{name} ({_columns(name)})" for name, path in found.items() if path is None and name not in OPTIONAL]:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}: for each, add a file NAME.jsonl or NAME.parquet, or a folder NAME of such files,"
            " with these columns"
        )
    paths = {name: path for name, path in found.items() if path is not None}
    for name, path in paths.items():
        row = first_row(path)
        if not _fits(name, row.columns):
            raise DataError(f"{row.where}: columns {', '.join(row.columns) or 'none'}: {name} needs {_columns(name)}; rename or add them")
    return {name: str(path) for name, path in paths.items()}


def _fits(name: str, columns: Mapping[str, Any]) -> bool:
    """True if a row has the columns of `FILES`, or a form that the same readers take (`dunwu.tasks.forms`)."""
    named = any(columns.keys() >= set(needed) for needed in FILES[name])
    answered = name in ("reasoning", "problems") and filled(columns, PROBLEM_COLUMNS) and filled(columns, ANSWER_COLUMNS)
    return bool(named or answered or form_of(columns, FORMS.get(name, ())))


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in SUFFIXES)]
    return next((path for path in candidates if path.exists()), None)


def _columns(name: str) -> str:
    return " or ".join(", ".join(columns) for columns in FILES[name])
