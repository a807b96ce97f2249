"""A configuration from its sources, of which later ones override earlier ones: defaults, a base, a preset, a YAML file, overrides."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from dunwu.config.base import Config, merge
from dunwu.config.defaults import TINY, Following
from dunwu.config.known_keys import known_keys
from dunwu.config.mistakes import describe
from dunwu.config.overrides import Override, apply_overrides, parse_overrides
from dunwu.config.peer_keys import peer_hint
from dunwu.config.presets import PresetValue, nested, preset
from dunwu.config.task_names import task_list
from dunwu.config.template import LAYOUT
from dunwu.config.yaml_text import parse_yaml, write_yaml
from dunwu.errors import ConfigError

AnyConfig = TypeVar("AnyConfig", bound=Config)
Chosen = dict[str, PresetValue]
"""Values that nobody has set, by dotted key, with their reasons (`dunwu.config.defaults`)."""


def load_config(model: type[AnyConfig], file: Path | None, overrides: Sequence[str], base: dict[str, Any] | None = None) -> AnyConfig:
    """`load_following` with the defaults of the configuration, which are those of the tiny model."""
    return load_following(model, file, overrides, TINY, base)[0]


def load_following(
    model: type[AnyConfig], file: Path | None, overrides: Sequence[str], following: Following, base: dict[str, Any] | None = None
) -> tuple[AnyConfig, Chosen]:
    """The checked configuration, and the values of ``following`` that it has because nothing else is set.

    Any mistake is a `ConfigError` of one line: an unknown key (with the nearest), a wrong type, a bad file.

    `preset: NAME` at the top of the file or base applies the values of `dunwu.config.presets.preset(NAME)` below its own; as an override
    it applies them above those of the file and below the other overrides.
    Nested mappings are merged; everything else, lists included, is replaced.
    """
    parsed = parse_overrides(overrides)
    data = with_preset(base or {})
    data = merge(data, with_preset(read_mapping(file))) if file is not None else data
    for override in parsed:
        data = merge(data, preset(str(override.value))) if override.key == "preset" else data
    keys = [override for override in parsed if override.key != "preset"]
    if any(override.key.startswith("tasks.") for override in keys):
        data = {**data, "tasks": task_list(data["tasks"])} if "tasks" in data else data
        keys = [Override(each.key, task_list(each.value)) if each.key == "tasks" else each for each in keys]
    in_template = [override.key for override in keys if override.key.startswith("template.")]
    if "template" not in data and in_template and not any(key.startswith(LAYOUT) for key in in_template):
        data = {**data, "template": _template(model, following)}
    _refuse_peer_keys(model, data, keys)
    data = apply_overrides(data, keys, _defaults(model, data, keys, following))
    source = f"{file}: " if file is not None and not parsed else ""
    return follow(model, data, following, source)


def _template(model: type[Config], following: Following) -> Any:
    """The template of which single keys are set: the one that would be chosen."""
    chosen = following.values.get("template")
    return chosen.value if chosen else model.model_fields["template"].default if "template" in model.model_fields else {}


def follow(model: type[AnyConfig], data: dict[str, Any], following: Following, source: str = "") -> tuple[AnyConfig, Chosen]:
    """`data` as a `model`, as `validate`, over the values of ``following``; and which of them it has."""
    chosen = {key: value for key, value in following.unset(data).items() if key.partition(".")[0] in model.model_fields}
    return validate(model, merge(nested(chosen), data), source, following.context), chosen


def _refuse_peer_keys(model: type[Config], data: dict[str, Any], overrides: Sequence[Override]) -> None:
    """Raises `ConfigError` for a key of TRL, verl or OpenRLHF that is none of ours, before it is taken for a part of one."""
    known = set(known_keys(model, data))
    for override in overrides:
        if override.key not in known and (hint := peer_hint(override.key, known)):
            raise ConfigError(f"unknown key {override.key}: {hint}")


def validate(model: type[AnyConfig], data: dict[str, Any], source: str = "", context: Mapping[str, Any] = TINY.context) -> AnyConfig:
    """`data` as a `model`, strictly: `"1"` is not a number. Raises `ConfigError` with a line that starts with `source`."""
    try:
        # JSON mode: strict about types, but a list counts as a tuple and 1 as 1.0, since YAML does not distinguish them.
        return model.model_validate_json(json.dumps(data, default=str), strict=True, context=dict(context))
    except ValidationError as error:
        raise ConfigError(source + describe(error, model, data)) from None


def dump_config(config: Config) -> str:
    """The complete configuration as YAML; `load_config` reads it back to an equal one."""
    return write_yaml(config.model_dump(mode="json"))


def read_mapping(file: Path) -> dict[str, Any]:
    """The keys and values of a YAML file. Raises `ConfigError` if it is missing, unreadable, invalid, empty or not a mapping."""
    try:
        data = parse_yaml(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file} does not exist: check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read ({reason})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: {_yaml_mistake(error)}") from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        held = "nothing" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"{file}: expected lines of `key: value`, found {held}: check that the file is complete")
    return data


def with_preset(data: dict[str, Any]) -> dict[str, Any]:
    """`data` merged over its `preset`, if it names one."""
    lower = preset(str(data["preset"])) if data.get("preset") is not None else {}
    return merge(lower, {key: value for key, value in data.items() if key != "preset"})


def _defaults(model: type[Config], data: dict[str, Any], overrides: Sequence[Override], following: Following) -> dict[str, Any]:
    """The values of keys that are not set, which overrides may index (`evaluations.0.problems`) and which may follow other keys."""
    plain = [override for override in overrides if not any(part.isdecimal() for part in override.key.split("."))]
    for known in (apply_overrides(data, plain, {}), {}):
        with contextlib.suppress(ConfigError):
            return follow(model, known, following)[0].model_dump(mode="json")
    return {}


def _yaml_mistake(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return "not valid YAML: " + " ".join(str(error).split())
    mark = error.problem_mark
    place = f" in line {mark.line + 1}" if mark else ""
    return f"not valid YAML{place}: {error.problem}"
