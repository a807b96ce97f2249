"""YAML as people write it: `1e-6` is a number, `1:30` and a date are text, and a number with two possible readings is a mistake."""

from __future__ import annotations

import re
from typing import Any

import yaml

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_LEADING_ZERO = "tag:dunwu,leading-zero"
_NUMBER = list("-+.0123456789")
_RESOLVERS = (
    (_LEADING_ZERO, re.compile(r"^[-+]?0[0-9_]+$"), _NUMBER),
    (_INT, re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+)$"), _NUMBER),
    (
        _FLOAT,
        re.compile(
            r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
            r"|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
        ),
        _NUMBER,
    ),
)
"""Replace YAML 1.1's rules, by which `1:30` is 90, `016` is 14, `2024-01-02` a date and `1e-6` a text."""
_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:merge")


MOST_NODES = 1_000_000
"""Largest number of values after aliases are expanded, because a few lines of nested aliases can exceed any memory."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with these rules. It refuses a repeated key, whose last value would win silently."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [each for each in resolvers if each[0] in _KEPT] for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or mapping", key_node.start_mark)
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        try:
            return int(super().construct_yaml_int(node))
        except ValueError:
            raise yaml.constructor.ConstructorError(None, None, f"{node.value[:20]}... is not a number", node.start_mark) from None

    def construct_leading_zero(self, node: yaml.ScalarNode) -> Any:
        plain = node.value.replace("_", "").lstrip("+-0") or "0"
        message = f"{node.value} may be octal: write {plain} for the number, or put it in quotes"
        raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)


_Loader.add_constructor(_INT, _Loader.construct_yaml_int)
_Loader.add_constructor(_LEADING_ZERO, _Loader.construct_leading_zero)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or the loader above would not read as text."""


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    if _tag != _INT:
        _Dumper.add_implicit_resolver(_tag, _pattern, _first)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text. Raises `yaml.YAMLError`; builds plain data only and runs nothing."""
    loader = _Loader(text)  # a subclass of SafeLoader
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count_nodes(node, {})
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
    finally:
        loader.dispose()


def _count_nodes(node: yaml.Node, counts: dict[yaml.Node, int]) -> int:
    """Values under a node, with aliases expanded. Raises `ConstructorError` for an alias inside itself and for too many values."""
    if node in counts:
        if counts[node] == 0:
            raise yaml.constructor.ConstructorError(None, None, "an alias refers to a value that contains it", node.start_mark)
        return counts[node]
    counts[node] = 0  # being counted
    children = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    total = 1 + sum(_count_nodes(child, counts) for child in children) if isinstance(node, yaml.CollectionNode) else 1
    if total > MOST_NODES:
        raise yaml.constructor.ConstructorError(None, None, "its aliases expand to more than a million values", node.start_mark)
    counts[node] = total
    return total


def parse_yaml_value(text: str) -> Any:
    """The value of one command-line override: YAML or JSON if it is valid, else the text itself; no value is only a comment (``####``)."""
    if text.startswith("#"):
        return text
    try:
        return parse_yaml(text)
    except yaml.YAMLError:
        return text


def write_yaml(data: Any) -> str:
    """Plain data as YAML text that `parse_yaml` reads back."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
