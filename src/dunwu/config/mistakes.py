"""Mistakes that pydantic finds in a configuration, as one line: the dotted key, the value, what is expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dunwu.config.base import Config
from dunwu.config.known_keys import known_keys, nearest_key
from dunwu.config.peer_keys import peer_hint

REMOVED = {
    "dropout": ("rank", "delete it; training has no dropout, as the engine samples without"),
    "thinker": ("teacher", "rename it to teacher"),
}
"""Removed keys that old recipes may contain, by their last part: a key that is still beside it, and the remedy."""


def describe(error: ValidationError, model: type[Config], data: dict[str, Any]) -> str:
    """The first mistake (unknown keys come first) as one line, with the number of further ones."""
    # A default that follows other keys only repeats their mistakes.
    own = [each for each in error.errors() if each["type"] != "default_factory_not_called"]
    found = sorted(own, key=lambda e: e["type"] != "extra_forbidden")
    further = len({dotted(each["loc"], data) for each in found}) - 1
    others = f" (and {further} more)" if further else ""
    return _line(found[0], model, data) + others


def _line(found: ErrorDetails, model: type[Config], data: dict[str, Any]) -> str:
    key = dotted(found["loc"], data)
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            return _unknown(key, list(known_keys(model, data)), found["input"], model)
        case "missing":
            return f"{key} is missing: set it, such as {key}=VALUE"
        case "union_tag_invalid":
            return _choice(f"{key}.kind", str(context["tag"]), str(context["expected_tags"]))
        case "union_tag_not_found":
            return f"{key}.kind is missing: choose {' or '.join(_kinds(model, key))}"
        case "literal_error":
            return _choice(key, found["input"], str(context["expected"]))
        case "value_error":
            said = found["msg"].removeprefix("Value error, ")
            return f"{key}: {said}" if key else said
    return f"{key} = {_short(found['input'])}: expected {expected(found['msg'])}"


def _unknown(key: str, known: list[str], value: Any, model: type[Config]) -> str:
    """The remedy for an unknown key: that of a removed one, that of another library's, the nearest, or all keys."""
    parent, dot, last = key.rpartition(".")
    beside, gone = REMOVED.get(last, ("", ""))
    if gone and f"{parent}{dot}{beside}" in known:
        return f"{key} is no longer a key: {gone}"
    theirs = key
    while isinstance(value, dict) and value:  # a section of another library: to its first key
        inner, value = next(iter(value.items()))
        theirs = f"{theirs}.{inner}"
    if hint := peer_hint(theirs, known):
        return f"unknown key {theirs}: {hint}"
    if near := nearest_key(key, known):
        return f"unknown key {key}: did you mean {near}?"
    if hint := peer_hint(theirs.rpartition(".")[2], known):
        return f"unknown key {theirs}: {hint}"
    near = nearest_key(theirs, known)
    return f"unknown key {theirs}: " + (f"did you mean {near}?" if near else f"the keys are {', '.join(model.model_fields)}")


def dotted(location: tuple[int | str, ...], data: Any) -> str:
    """The dotted key of pydantic's location, without the tags that it adds for the variants of a union; ours are in brackets."""
    parts: list[str] = []
    node = data
    for place, part in enumerate(location):
        inside = (isinstance(node, dict) and part in node) or (isinstance(node, list) and isinstance(part, int) and part < len(node))
        if inside:
            node = node[part]
        elif place < len(location) - 1 or str(part).startswith("("):
            continue
        parts.append(str(part))
    return ".".join(parts)


def _kinds(model: type[Config], key: str) -> list[str]:
    """The kinds that a dotted key allows."""
    found: list[Any] = [model]
    for part in key.split("."):
        found = [leaf for each in found for leaf in leaves(below(each, part))]
    return [str(each.model_fields["kind"].default) for each in found if "kind" in getattr(each, "model_fields", {})]


def below(annotation: Any, part: str) -> Any:
    """The annotation of a configuration's field, or of the members of a tuple or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation.model_fields[part].annotation if part in annotation.model_fields else None
    arguments = get_args(annotation)
    return arguments[1 if get_origin(annotation) is dict else 0] if arguments else None


def leaves(annotation: Any) -> Iterator[Any]:
    """The members of a union, at any depth."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        members = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
        for member in members:
            yield from leaves(member)
    else:
        yield annotation


def _choice(key: str, value: Any, expected: str) -> str:
    choices = re.findall(r"'([^']*)'", expected)
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{key} = {_short(value)}: expected {', '.join(choices)}{hint}"


def expected(message: str) -> str:
    """`Input should be a valid number, unable to parse ...` -> `a valid number`; other messages unchanged."""
    return message.removeprefix("Input should be ").split(", unable to")[0].split(", got")[0]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
