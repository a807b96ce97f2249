"""The identity of a stage: everything its output depends on. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dunwu.config.blocks import Saving
from dunwu.config.data import EndpointGenerator
from dunwu.config.overrides import Override, apply_overrides
from dunwu.config.references import parts
from dunwu.jobs.outside import outside_files
from dunwu.pipeline.graph import Stage
from dunwu.pipeline.source import PACKAGE, module_file, source_hashes
from dunwu.pipeline.stages import KINDS
from dunwu.run.directory import config_hash, content_hash
from dunwu.run.identity import first_difference

Json = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """Everything that determines a stage's output: the same identity gives the same bytes on the same machine."""

    kind: str
    config: Json
    """Keys that name a file have ``None``, or the function in it: the content of a file counts, not its path."""
    inputs: Mapping[str, str]
    """SHA-256 by key, of outputs of other stages and of outside files that are not code."""
    code: Mapping[str, str]
    """SHA-256 by source file, including custom files of the user."""
    sources: Mapping[str, Json] = field(default_factory=dict)
    """The origin of each input, by key; not part of the identity."""

    @property
    def digest(self) -> str:
        """SHA-256 of the identity."""
        return config_hash(self.as_json())

    def as_json(self) -> Json:
        """As plain data."""
        return {"kind": self.kind, "config": self.config, "inputs": dict(self.inputs), "code": dict(self.code)}


@dataclass(frozen=True)
class Input:
    """An input from another stage: its hash and its origin."""

    hash: str
    source: Json


def identity_of(stage: Stage, inputs: Mapping[str, Input]) -> Identity:
    """The identity of ``stage`` with these ``inputs`` from other stages, by key."""
    outside = outside_files(stage.work)
    return Identity(
        stage.kind,
        placeless_config(stage),
        {key: each.hash for key, each in inputs.items()}
        | {key: content_hash(file.path) for key, file in outside.items() if not file.function},
        code_of(stage.described.function, [file.path for file in outside.values() if file.function]),
        {key: each.source for key, each in inputs.items()} | {key: {"path": str(file.path)} for key, file in outside.items()},
    )


def placeless_config(stage: Stage) -> Json:
    """The configuration without paths, where inputs and outside files become ``None`` or the name of a function, and without trackers
    and how an endpoint is queried, which change nothing that a stage makes."""
    places: Json = dict.fromkeys(stage.inputs)
    places |= {key: file.function for key, file in outside_files(stage.work).items()}
    places |= {"report_to": []} if isinstance(stage.work, Saving) else {}
    endpoints = [(key, part) for key, part in parts(stage.work) if isinstance(part, EndpointGenerator)]
    places |= {f"{key}.{name}": None for key, part in endpoints for name in part.operation}
    return apply_overrides(stage.work.model_dump(mode="json"), [Override(*place) for place in places.items()], {})


def code_of(function: str, own_files: Iterable[Path] = ()) -> dict[str, str]:
    """The hashes of the source that a stage's function (``module:name``) can reach, and of what custom files can reach."""
    module = function.partition(":")[0]
    return source_hashes([*([module_file(module)] if module else []), *own_files])


def difference(earlier: Json, now: Json) -> str:
    """The first difference of two identities (`Identity.as_json`), for the user; empty if they are equal. A key of the configuration that
    is newer than ``earlier`` is none while it has its default."""
    earlier = {**earlier, "config": with_newer_keys(earlier["kind"], earlier["config"])}
    for part in ("kind", "config", "inputs", "code"):
        if found := first_difference(earlier[part], now[part]):
            key, old, new = found
            if part == "config":
                return f"{key} was {old!r}, is {new!r}"
            ours = part == "code" and (PACKAGE / key).is_file()
            return f"{'dunwu/' if ours else ''}{key or part} has changed"
    return ""


def differ_in_code_alone(earlier: Json, now: Json) -> bool:
    """True if two identities (`Identity.as_json`) differ in code only, as `difference` sees them."""
    same = earlier["kind"] == now["kind"] and earlier["inputs"] == now["inputs"]
    return same and earlier["code"] != now["code"] and same_config(now["kind"], earlier["config"], now["config"])


def same_config(kind: str, earlier: Json, now: Json) -> bool:
    """Whether two configurations of a kind of work are equal, apart from keys that are newer than ``earlier`` and have their defaults."""
    return earlier == now or with_newer_keys(kind, earlier) == now


def with_newer_keys(kind: str, config: Json) -> Json:
    """The configuration of a kind of work, with the defaults of keys that did not exist when it was written."""
    return dict(_completed(config, KINDS[kind].model_construct().model_dump(mode="json"))) if kind in KINDS else config


def _completed(value: Any, default: Any) -> Any:
    """``value`` with the keys that only ``default`` has, at any depth."""
    if not (isinstance(value, dict) and isinstance(default, dict) and value.get("kind") == default.get("kind")):
        return value
    return {**default, **{key: _completed(inner, default.get(key)) for key, inner in value.items()}}
