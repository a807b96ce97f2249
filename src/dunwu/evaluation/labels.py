"""Labels of stored completions: a column that says whether each is right, to be compared with the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dunwu.errors import DataError
from dunwu.tasks.columns import cell, has, is_empty, missing
from dunwu.tasks.rows import Row

_WORDS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def labels_of(rows: Sequence[Row], column: str | None, default: str) -> tuple[list[bool | None], str]:
    """The label of each row, ``None`` where it has none, and a note about a ``default`` column that holds something else: it is not read.

    Raises ``DataError`` for a named column that no row has, or that has another value than true, false, 1 or 0.
    """
    if column is not None and not any(has(row.columns, column) for row in rows):
        listed, near = missing(rows[0].columns, [column])
        remedy = f"give --label-column {near}" if near else "name the right one with --label-column"
        raise DataError(f"{rows[0].where}: no column {column} (columns: {listed}): {remedy}")
    values = [cell(row.columns, column or default) for row in rows]
    other = next((row for row, value in zip(rows, values, strict=True) if not (is_empty(value) or is_label(value))), None)
    if other is None:
        return [label_of(value) for value in values], ""
    shown = f"{str(cell(other.columns, column or default))[:40]!r}"
    if column is not None:
        raise DataError(f"{other.where}: label {shown} is neither true nor false: fix column {column}")
    return [None] * len(rows), f"column {default} is not compared: {other.where} has {shown} there, not true, false, 1 or 0"


def is_label(value: Any) -> bool:
    """True for true, false, 1 and 0, as text too."""
    if isinstance(value, str):
        return value.strip().casefold() in _WORDS
    return isinstance(value, (bool, int, float)) and value in (0, 1)


def label_of(value: Any) -> bool | None:
    """A value of `is_label` as a label, ``None`` for an empty one."""
    if is_empty(value):
        return None
    return _WORDS[value.strip().casefold()] if isinstance(value, str) else bool(value)
