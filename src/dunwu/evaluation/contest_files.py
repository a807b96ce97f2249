"""The files of `dunwu elo`: their columns, one that is misspelt, and a file that is of another kind than the one that is wanted."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from dunwu.errors import DataError
from dunwu.tasks.near_names import near_name
from dunwu.tasks.rows import Row, first_row

Kind = Literal["contest", "problems", "standings", "submissions", "histogram"]

COLUMNS = {
    "standings": ("participant", "rating_before", "points", "penalty", "rank"),
    "submissions": ("contest", "problem", "program", "minute", "sample", "programming_language"),
    "histogram": ("rating", "users"),
}
_TELLING: dict[Kind, set[str]] = {
    "standings": {"participant", "rating_before"},
    "submissions": {"problem", "program"},
    "histogram": {"rating", "users"},
}
"""Columns by which rows are known."""
_CONTEST = {"contest", "scoring", "standings"}
_WORDS: dict[Kind, str] = {
    "contest": "a contest file",
    "problems": "a file of problems",
    "standings": "the standings of a contest",
    "submissions": "a file of submissions",
    "histogram": "a histogram of users",
}
_REMEDIES: dict[Kind, str] = {
    "contest": "give it as --contests FILE, with --submissions FILE",
    "problems": "add contest, scoring and standings for --contests",
    "standings": "give it as --standings FILE, or name it in a contest file",
    "submissions": "give it as --submissions FILE, with --contests FILE",
    "histogram": "give it as --histogram FILE",
}


def refuse_other_kind(path: Path, wanted: Kind) -> None:
    """Raise ``DataError`` with the right option if the file is known to be of another kind."""
    names = _names(path)
    found = _kind(names)
    if found is None or found == wanted or (wanted in _TELLING and _TELLING[wanted] <= names):
        return
    raise DataError(f"{path} is {_WORDS[found]}, not {_WORDS[wanted]}: {_REMEDIES[found]}")


def refuse_misspelt(row: Row, known: Collection[str]) -> None:
    """Raise ``DataError`` for a column that is nearly a known one which the row lacks. Any other further column is accepted."""
    if found := near_name(frozenset(row.columns), tuple(known)):
        wrong, right = found
        raise DataError(f"{row.where}: unknown column {wrong}: did you mean {right}? If it is something else, rename it")


def _kind(names: set[str]) -> Kind | None:
    if "problems" in names:
        return "contest" if names & _CONTEST else "problems"
    return next((kind for kind, columns in _TELLING.items() if columns <= names), None)


def _names(path: Path) -> set[str]:
    """The keys of a file that is one JSON object, else the columns of its first row; empty if there are none. Leaves a pipe alone."""
    if not path.is_file() and not path.is_dir():
        return set()
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and _kind(set(content)) is not None:
        return set(content)
    try:
        return set(first_row(path).columns)
    except DataError:
        return set()
