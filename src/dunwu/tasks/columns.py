"""Columns of a row by dotted name (``reward_model.ground_truth``, ``prompt.0.content``)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_DEPTH, _ITEMS = 5, 3
"""Levels and items of a list that `dotted_names` lists."""


def cell(columns: Mapping[str, Any], name: str) -> Any:
    """The value of a column, which may be inside another; ``None`` if there is none. A column with that very name comes first."""
    if name in columns:
        return columns[name]
    found: Any = columns
    for part in name.split("."):
        found = _below(found, part)
    return found


def _below(value: Any, part: str) -> Any:
    value = _parsed(value)
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and part.removeprefix("-").isdecimal() and part.isascii():
        return value[int(part)] if -len(value) <= int(part) < len(value) else None
    return None


def _parsed(value: Any) -> Any:
    """The value in a JSON text, as exports write nested columns; other values unchanged."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def has(columns: Mapping[str, Any], name: str) -> bool:
    """True if the row has this column, even if it is empty."""
    return name in columns or cell(columns, name) is not None


def is_empty(value: Any) -> bool:
    """True for ``None``, empty values, and NaN, which pandas writes for missing ones."""
    return value is None or value in ("", [], {}) or (isinstance(value, float) and value != value)


def kind_of(value: Any) -> str:
    """The type of a value in words."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    names = {"NoneType": "nothing", "str": "text", "bool": "true or false", "int": "a number", "float": "a number", "dict": "an object"}
    return names.get(type(value).__name__, type(value).__name__)


def filled(columns: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first of ``names`` that is not empty."""
    return next((name for name in names if not is_empty(cell(columns, name))), None)


def dotted_names(columns: Mapping[str, Any]) -> list[str]:
    """Dotted names of all values that are neither lists nor objects."""
    return list(_leaves(columns, "", _DEPTH))


def _leaves(value: Any, name: str, depth: int) -> Iterator[str]:
    items: Iterable[tuple[Any, Any]] = ()
    if depth and isinstance(value, Mapping):
        items = value.items()
    elif depth and isinstance(value, list) and value and isinstance(value[0], Mapping | list):
        items = enumerate(value[:_ITEMS])
    elif name:
        yield name
    for key, inner in items:
        yield from _leaves(inner, f"{name}.{key}" if name else str(key), depth - 1)


def missing(columns: Mapping[str, Any], wanted: Iterable[str]) -> tuple[str, str]:
    """The columns of a row in one text, and the one nearest to ``wanted``, which may be nested."""
    return ", ".join(map(str, columns)) or "none", nearest(columns, wanted)


def nearest(columns: Mapping[str, Any], wanted: Iterable[str]) -> str:
    """The dotted name that resembles one of ``wanted``, or ends with it; empty if none does."""
    names = dotted_names(columns)
    for each in wanted:
        ends = {name.rpartition(".")[2].lower(): name for name in reversed(names)}
        lowered = {name.lower(): name for name in reversed(names)}
        for known in (lowered, ends):
            if close := difflib.get_close_matches(
                each.rpartition(".")[2].lower() if known is ends else each.lower(), known, n=1, cutoff=0.75
            ):
                return known[close[0]]
    return ""
