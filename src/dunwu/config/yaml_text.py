"""YAML as people write it: `1e-6` is a number, and a key given twice is a mistake."""

from __future__ import annotations

import re
from typing import Any

import yaml

_EXPONENT_FLOAT = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader follows YAML 1.1, where `1e-6` (no dot, or no sign) is a string and a repeated key wins silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping stands as a key", key_node.start_mark)
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT_FLOAT, list("-+.0123456789"))


def parse_yaml(text: str) -> Any:
    """The value of a YAML text. Raises `yaml.YAMLError`; never runs or builds anything but plain data."""
    return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader


def parse_yaml_value(text: str) -> Any:
    """The value of one command-line override: YAML or JSON where it is that, else the text itself."""
    try:
        return parse_yaml(text)
    except yaml.YAMLError:
        return text


def write_yaml(data: Any) -> str:
    """Plain data as YAML text that `parse_yaml` reads back."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
