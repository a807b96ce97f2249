"""What a configuration key means, with its type and default in words: for `docs/reference.md` and for `dunwu keys`."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from pydantic.fields import FieldInfo

from dunwu.config.base import Config
from dunwu.config.references import Reference

BOUNDS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt"), MultipleOf: ("multiple of", "multiple_of")}
KINDS_OF_TEXT = {"model": "model (`tiny`, folder or hub id)", "data": "file, folder or data set", "code": "`file.py:function`"}
_MARKDOWN = re.compile(r"\[(\w+)\]\(#\w+\)|`")


@dataclass(frozen=True)
class Key:
    """A dotted key with its type, default and meaning as text."""

    name: str
    type: str
    default: str
    meaning: str


def keys_of(model: type[Config]) -> list[Key]:
    """Every dotted key of a job; ``0`` is the first item of a list. A key of several kinds has the meaning of the first."""
    found: dict[str, Key] = {}
    for key in _keys(model, ""):
        found.setdefault(key.name, key)
    return list(found.values())


def _keys(model: type[Config], prefix: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        texts = (_plain_text(each) for each in (type_of(field.annotation, field.metadata), default(field), meaning(model, name)))
        if not (inspect.isclass(field.annotation) and issubclass(field.annotation, Config)):  # of a section the inner keys say it all
            yield Key(f"{prefix}{name}", *texts)
        yield from _inner(field.annotation, f"{prefix}{name}.")


def _inner(annotation: Any, prefix: str) -> Iterator[Key]:
    if inspect.isclass(annotation) and issubclass(annotation, Config):
        yield from _keys(annotation, prefix)
    origin = get_origin(annotation)
    step = "0." if origin is tuple else "NAME." if origin is dict else ""
    for argument in get_args(annotation):
        yield from _inner(argument, prefix + step)


def _plain_text(text: str) -> str:
    return " ".join(_MARKDOWN.sub(lambda found: found[1] or "", text).replace("\\|", "|").split())


def meaning(model: type[Config], name: str) -> str:
    """What a key means: its docstring, where a subclass only has another default that of the class it has it from."""
    if name == "kind":
        return "Chooses this kind."
    for each in model.__mro__:
        if issubclass(each, Config) and (field := each.model_fields.get(name)) and field.description:
            return field.description
    raise LookupError(f"{model.__name__}.{name} has no docstring: write below the field what it means")


def type_of(annotation: Any, marks: Any = ()) -> str:
    """A type in words, with links to the models in it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    marks = [mark for each in marks for mark in getattr(each, "metadata", (each,))]
    limits = [f" {word} {getattr(mark, key):,}" for mark in marks for kind, (word, key) in BOUNDS.items() if isinstance(mark, kind)]
    if reference := next((mark for mark in marks if isinstance(mark, Reference)), None):
        return KINDS_OF_TEXT[reference.kind]
    if origin is Annotated:
        return type_of(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return " or ".join(type_of(each) for each in arguments)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        filled = "non-empty " if any(isinstance(mark, MinLen) for mark in marks) else ""
        return f"{filled}list of {type_of(arguments[0])}"
    if origin is dict:
        return f"mapping of names to {type_of(arguments[1])}"
    if inspect.isclass(annotation) and issubclass(annotation, Config):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {int: "integer", float: "number", str: "text", bool: "true or false", NoneType: "null"}
    return names.get(annotation, "anything") + ",".join(limits)


def default(field: FieldInfo) -> str:
    """A default as YAML would have it; of a part only what differs from the part's own."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if not field.default_factory_takes_validated_data else ()
    return f"`{json.dumps(plain(value), ensure_ascii=False).replace('|', chr(92) + '|')}`"


def plain(value: Any) -> Any:
    if isinstance(value, Config):
        kind = {"kind": getattr(value, "kind")} if "kind" in type(value).model_fields else {}  # noqa: B009
        return kind | {name: plain(getattr(value, name)) for name in type(value).model_fields if name in value.model_fields_set}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value
