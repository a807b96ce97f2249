"""The lineage of an artefact: every stage before it, down to outside files and models. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunwu.config.base import Config
from dunwu.errors import RunError
from dunwu.pipeline.artefacts import ARTEFACT, RECIPE, STAGES, Artefact, artefact_folder, read_artefact
from dunwu.pipeline.journal import read_journal
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.pipeline.stages import KINDS
from dunwu.run.reporter import clean, duration

_LONGEST = 160
_ABOVE = 5
"""``RUN/stages/STAGE/IDENTITY/run/checkpoints/step-000100``: the artefact is at most this many folders above a path that a user gives."""


@dataclass(frozen=True)
class Ancestor:
    """One artefact of a lineage, its depth, and the key that it fills in the stage above."""

    artefact: Artefact
    depth: int
    key: str


def artefacts_at(path: Path) -> list[Artefact]:
    """The artefact that contains ``path``; for a run directory those of its final stages. May be empty."""
    path = path.resolve()
    for folder in (path, *path.parents[:_ABOVE]):
        if (artefact := read_artefact(folder) if (folder / ARTEFACT).is_file() else None) is not None:
            return [artefact]
    return _final(path) if (path / RECIPE).is_file() else []


def ancestry(artefact: Artefact) -> Iterator[Ancestor]:
    """The artefact and everything it was made from, each before its inputs; a repeated one appears again without its inputs.

    Raises ``RunError`` if one of them is missing.
    """
    shown: set[Path] = set()
    waiting = [Ancestor(artefact, 0, "")]
    while waiting:
        ancestor = waiting.pop()
        yield ancestor
        if ancestor.artefact.folder not in shown:
            shown.add(ancestor.artefact.folder)
            sources: dict[str, dict[str, str]] = ancestor.artefact.manifest["sources"]
            inner = [(key, source) for key, source in sources.items() if "stage" in source]
            waiting += [Ancestor(_source(ancestor.artefact, source), ancestor.depth + 1, key) for key, source in reversed(inner)]


def facts(artefact: Artefact) -> list[str]:
    """Its manifest as lines: state, non-default settings, outside files, code, cost."""
    manifest = artefact.manifest
    outside = {key: source["path"] for key, source in manifest["sources"].items() if "path" in source}
    return [
        _state(artefact),
        f"output: {artefact.hash[:12]}, {manifest['makes']}, finished {manifest['finished']}",
        *(f"{key} = {_short(value)}" for key, value in settings(manifest["kind"], manifest["config"])),
        *(f"{key} <- {path}{_hash(manifest['inputs'].get(key))}" for key, path in outside.items()),
        f"code: {manifest['code_version']}, {len(manifest['code'])} files; {_versions(manifest['environment'])}",
        *(f"resumed under changed code at {each['when']}: {_short(list(each['changed']))}" for each in manifest.get("accepted_code", [])),
        f"cost: {_cost(manifest['cost'])}",
    ]


def settings(kind: str, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The dotted keys with non-default values, and always the seed."""
    model = KINDS.get(kind)
    if "seed" in config:
        yield "seed", config["seed"]
    yield from _differences(_defaults(model) if model else {}, {key: value for key, value in config.items() if key != "seed"}, "")


def _hash(found: str | None) -> str:
    """The hash of data or a model; code is hashed separately."""
    return f" ({found[:12]})" if found else ""


def _final(run: Path) -> list[Artefact]:
    journal = read_journal(run)
    stages = [stage.name for stage in read_pipeline(run / RECIPE).final() if stage.name in journal]
    found = [read_artefact(artefact_folder(run, name, journal[name].identity)) for name in stages if journal[name].identity]
    return [artefact for artefact in found if artefact is not None]


def _source(artefact: Artefact, source: dict[str, str]) -> Artefact:
    """The artefact of another stage in the same run, wherever the run is now."""
    run = artefact.folder.parents[2]
    assert run / STAGES == artefact.folder.parents[1], "an artefact's folder is RUN/stages/STAGE/IDENTITY"
    folder = artefact_folder(run, source["stage"], source["identity"])
    found = read_artefact(folder)
    if found is None:
        raise RunError(f"{folder} is missing, from which {artefact.stage} was made: restore it, or run the pipeline again")
    return found


def _state(artefact: Artefact) -> str:
    try:
        artefact.verify()
    except RunError as error:
        return f"CORRUPT: {error}"
    return "valid: every file is as it was written"


def _defaults(model: type[Config]) -> dict[str, Any]:
    return model.model_construct().model_dump(mode="json")


def _differences(default: Any, value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(default, dict) and isinstance(value, dict) and default.get("kind") == value.get("kind"):
        for name, inner in value.items():
            yield from _differences(default.get(name), inner, f"{key}.{name}" if key else name)
    elif value != default and value is not None:
        yield key, value


def _cost(cost: dict[str, Any]) -> str:
    parts = [duration(cost["seconds"])]
    for name in ("trained_tokens", "generated_tokens"):
        parts += [f"{cost[name]:,} {name.replace('_', ' ')}"] if cost[name] else []
    parts += [f"{cost['flops']:.2g} FLOPs with {cost['parameters']:,} weights"] if cost["flops"] else []
    return ", ".join(parts)


def _versions(environment: dict[str, Any]) -> str:
    packages = [f"{name} {version}" for name, version in environment["packages"].items() if name in ("torch", "transformers")]
    return ", ".join([f"python {environment['python']}", *packages])


def _short(value: Any) -> str:
    text = clean(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
