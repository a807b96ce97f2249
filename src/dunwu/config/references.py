"""Models, data and code that a configuration names, recognised by the types of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from dunwu.config.base import Config

Kind = Literal["model", "data", "code"]
SUFFIXES = (
    *(".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet"),
    *(".json", ".json.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz"),
)
"""Endings of data files. In a folder the second line is read only if there is none of the first: it may hold notes and cards."""
STREAMED = SUFFIXES[:5]


def plain_name(name: str) -> str:
    """A file's name without the ending of its format."""
    return next((name.removesuffix(suffix) for suffix in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), name)


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a field whose text names a model, data or code."""

    kind: Kind


ModelRef = Annotated[str, Reference("model")]
"""`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
DataRef = Annotated[str, Reference("data")]
"""A local file or folder, or the name of a data set."""
CodeRef = Annotated[str, Reference("code")]
"""`path/to/file.py:function`, a custom function."""


def parts(value: Any, key: str = "") -> Iterator[tuple[str, Config]]:
    """Every configuration in ``value``, itself included, with its dotted key."""
    items: Iterable[tuple[object, Any]] = ()
    if isinstance(value, Config):
        yield key, value
        items = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, Mapping | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, inner in items:
        yield from parts(inner, f"{key}.{name}" if key else str(name))


def references(config: Config, key: str = "") -> Iterator[tuple[str, str, Kind]]:
    """Dotted key, text and kind of every model, data set and function that ``config`` names."""
    for name, field in type(config).model_fields.items():
        yield from _below(getattr(config, name), (field.annotation, *field.metadata), f"{key}.{name}" if key else name)


def _below(value: Any, hint: Any, key: str) -> Iterator[tuple[str, str, Kind]]:
    if isinstance(value, Config):
        yield from references(value, key)
    elif isinstance(value, str):
        yield from ((key, value, mark.kind) for mark in _parts(hint) if isinstance(mark, Reference))
    elif isinstance(value, Mapping | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        inner = tuple(item for part in _parts(hint) if get_origin(part) in (dict, tuple) for item in get_args(part))
        for name, item in items:
            yield from _below(item, inner, f"{key}.{name}")


def _parts(hint: Any) -> Iterator[Any]:
    """The parts of a type: the members of a union, a type and its marks. Containers are not taken apart."""
    if isinstance(hint, tuple):
        inner = hint
    elif get_origin(hint) in (dict, tuple) or not (inner := get_args(hint)):
        yield hint
        return
    for part in inner:
        yield from _parts(part)
