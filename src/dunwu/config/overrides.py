"""Dotted overrides: `grpo.learning_rate=1e-5`, `--grpo.learning_rate 1e-5`, `tasks.0.task.kind=game24`."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dunwu.config.peer_keys import is_peer_key
from dunwu.config.task_names import listed_with_task, task_keys
from dunwu.config.template import block_of
from dunwu.config.yaml_text import parse_yaml_value
from dunwu.errors import ConfigError

_NAMED = {"teacher": "model", "method": "kind"}
"""Keys that may be a name alone, and the key of the block that this name is the value of."""


@dataclass(frozen=True, slots=True)
class Override:
    """One value for one dotted key."""

    key: str
    value: Any


def parse_overrides(tokens: Sequence[str]) -> list[Override]:
    """Reads `key=value`, `--key=value` and `--key value`. Raises `ConfigError` for any other token."""
    overrides: list[Override] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        dashed = token.startswith("--")
        key, equals, text = token.removeprefix("--").partition("=")
        if not equals and dashed and position + 1 < len(tokens) and not tokens[position + 1].startswith("--"):
            position += 1
            equals, text = "=", tokens[position]
        elif not equals and dashed and is_peer_key(key):  # a flag of another library, refused later with its remedy
            equals, text = "=", "true"
        if not equals or not text:
            raise ConfigError(f"{token!r} has no value: write {key or 'key'}=VALUE (null for none)")
        if not all(key.split(".")) or (not dashed and key.startswith("-")):
            raise ConfigError(f"{token!r} is not an override: write a dotted key, such as grpo.learning_rate=1e-5")
        overrides.append(Override(key, _value(key, text)))
        position += 1
    return overrides


def _value(key: str, text: str) -> Any:
    """YAML or JSON; the texts of a template are taken as they stand (`Note: be brief` is no mapping), unless quoted or `{file: PATH}`."""
    is_text = re.fullmatch(r"(.+\.)?template\.(system|suffix|before|after|prefill|jinja)", key)
    return text if is_text and not re.match(r"""["']|null$|\{"?file"?:""", text) else parse_yaml_value(text)


def apply_overrides(data: dict[str, Any], overrides: Sequence[Override], defaults: dict[str, Any]) -> dict[str, Any]:
    """A copy of `data` with each override set; lists that `data` lacks are copied from `defaults` before they are indexed."""
    result = copy.deepcopy(data)
    for override in overrides:
        _set(result, override, defaults)
    return result


def _set(data: dict[str, Any], override: Override, defaults: Any) -> None:
    """Walks to the parent of the key, creates what is missing on the way, and sets the value."""
    node: Any = data
    parts = override.key.split(".")
    for depth, part in enumerate(parts[:-1]):
        where = _member(node, part, override, ".".join(parts[:depth]))
        defaults = _default_member(defaults, where)
        if isinstance(node, dict) and node.get(where) is None:
            node[where] = copy.deepcopy(defaults) if isinstance(defaults, list) else {}
        if "reward" not in parts[:depth]:  # its `tasks` are names only
            node[where] = _in_full(part, node[where], parts[depth + 1])
        node = node[where]
    where = _member(node, parts[-1], override, ".".join(parts[:-1]))
    if where == "kind" and isinstance(node, dict) and node.get("kind") != override.value:
        node.clear()  # keys of the old kind would be refused
    node[where] = override.value


def _in_full(part: str, value: Any, below: str) -> Any:
    """The keys that a name stands for, so that one of them can be set: `--task rows.jsonl tasks.0.task.problem_column=question`.

    Texts and examples that a file replaces are dropped: `template.system.file=system.txt`.
    """
    if part == "template" and isinstance(value, str):
        return _block(value)
    if (below == "file" and isinstance(value, str)) or (part == "few_shot" and isinstance(value, list) and not below.isdecimal()):
        return {}
    if part in ("tasks", "evaluations") and below.isdecimal():
        return listed_with_task(value) if isinstance(value, str | dict | list) else value
    return task_keys(value) if part == "task" and isinstance(value, str) else value


def _block(template: str) -> dict[str, Any]:
    try:
        return block_of(template)
    except ValueError as error:
        raise ConfigError(f"template: {error}") from None


def _member(node: Any, part: str, override: Override, parent: str) -> str | int:
    """The key or list index that `part` names inside `node`."""
    if isinstance(node, dict):
        return part
    if not isinstance(node, list):
        means = _NAMED.get(parent.rpartition(".")[2]) if isinstance(node, str) else None
        block = f": write {parent}={{{means}: {node}, {part}: {override.value}}}" if means else ""
        raise ConfigError(f"{override.key} = {override.value!r}: {parent} is {node!r}, which has no keys{block}")
    if not part.isdecimal() or int(part) >= len(node):
        raise ConfigError(f"{override.key} = {override.value!r}: {parent} is a list; its indices are 0 to {len(node) - 1}")
    return int(part)


def _default_member(defaults: Any, where: str | int) -> Any:
    if isinstance(defaults, dict):
        return defaults.get(str(where))
    if isinstance(defaults, list) and isinstance(where, int) and where < len(defaults):
        return defaults[where]
    return None
