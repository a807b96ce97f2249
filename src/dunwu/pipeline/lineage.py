"""Where an artefact came from: every stage above it, down to files and models from outside. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunwu.config.base import Config
from dunwu.errors import RunError
from dunwu.pipeline.artefacts import ARTEFACT, RECIPE, STAGES, Artefact, home, read_artefact
from dunwu.pipeline.journal import read_journal
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.pipeline.stages import KINDS
from dunwu.run.reporter import clean, duration

_LONGEST = 160
_ABOVE = 5
"""``RUN/stages/STAGE/IDENTITY/run/checkpoints/step-000100``: an artefact lies at most this far above what a user names."""


@dataclass(frozen=True)
class Ancestor:
    """One artefact of a lineage, how deep it lies, and the key it fills in the stage above."""

    artefact: Artefact
    depth: int
    key: str


def artefacts_at(path: Path) -> list[Artefact]:
    """The artefact that a path is in; of a run's directory those of its final stages. Empty where there is none."""
    path = path.resolve()
    for folder in (path, *path.parents[:_ABOVE]):
        if (artefact := read_artefact(folder) if (folder / ARTEFACT).is_file() else None) is not None:
            return [artefact]
    return _final(path) if (path / RECIPE).is_file() else []


def ancestry(artefact: Artefact) -> Iterator[Ancestor]:
    """The artefact and all it was made of, each before what it was made of; of one that occurs again only itself.

    Raises ``RunError`` where one of them is gone.
    """
    told: set[Path] = set()
    waiting = [Ancestor(artefact, 0, "")]
    while waiting:
        ancestor = waiting.pop()
        yield ancestor
        if ancestor.artefact.folder not in told:
            told.add(ancestor.artefact.folder)
            sources: dict[str, dict[str, str]] = ancestor.artefact.manifest["sources"]
            inner = [(key, source) for key, source in sources.items() if "stage" in source]
            waiting += [Ancestor(_source(ancestor.artefact, source), ancestor.depth + 1, key) for key, source in reversed(inner)]


def facts(artefact: Artefact) -> list[str]:
    """What its manifest tells, as lines: state, settings other than the defaults, files from outside, code, cost."""
    manifest = artefact.manifest
    outside = {key: source["path"] for key, source in manifest["sources"].items() if "path" in source}
    return [
        _whole(artefact),
        f"output: {artefact.hash[:12]}, {manifest['makes']}, finished {manifest['finished']}",
        *(f"{key} = {_short(value)}" for key, value in settings(manifest["kind"], manifest["config"])),
        *(f"{key} <- {path}{_hash(manifest['inputs'].get(key))}" for key, path in outside.items()),
        f"code: {manifest['code_version']}, {len(manifest['code'])} files; {_versions(manifest['environment'])}",
        *(f"went on under changed code at {each['when']}: {_short(list(each['changed']))}" for each in manifest.get("accepted_code", [])),
        f"cost: {_cost(manifest['cost'])}",
    ]


def settings(kind: str, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The dotted keys whose value is not the default, and the seed whatever it is."""
    model = KINDS.get(kind)
    if "seed" in config:
        yield "seed", config["seed"]
    yield from _differences(_defaults(model) if model else {}, {key: value for key, value in config.items() if key != "seed"}, "")


def _hash(found: str | None) -> str:
    """Of data and models; code is hashed among all the code."""
    return f" ({found[:12]})" if found else ""


def _final(run: Path) -> list[Artefact]:
    journal = read_journal(run)
    stages = [stage.name for stage in read_pipeline(run / RECIPE).final() if stage.name in journal]
    found = [read_artefact(home(run, name, journal[name].identity)) for name in stages if journal[name].identity]
    return [artefact for artefact in found if artefact is not None]


def _source(artefact: Artefact, source: dict[str, str]) -> Artefact:
    """The artefact of another stage in the same run, wherever the run lies now."""
    run = artefact.folder.parents[2]
    assert run / STAGES == artefact.folder.parents[1], "an artefact's home is RUN/stages/STAGE/IDENTITY"
    folder = home(run, source["stage"], source["identity"])
    found = read_artefact(folder)
    if found is None:
        raise RunError(f"{folder} is gone, from which {artefact.stage} was made: put it back, or run the pipeline again")
    return found


def _whole(artefact: Artefact) -> str:
    try:
        artefact.verify()
    except RunError as error:
        return f"NOT WHOLE: {error}"
    return "whole: every file is as it was written"


def _defaults(model: type[Config]) -> dict[str, Any]:
    given = {name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items() if not field.is_required()}
    return model.model_construct(**given).model_dump(mode="json")


def _differences(default: Any, value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(default, dict) and isinstance(value, dict) and default.get("kind") == value.get("kind"):
        for name, inner in value.items():
            yield from _differences(default.get(name), inner, f"{key}.{name}" if key else name)
    elif value != default and value is not None:
        yield key, value


def _cost(cost: dict[str, Any]) -> str:
    told = [duration(cost["seconds"])]
    for name in ("trained_tokens", "generated_tokens"):
        told += [f"{cost[name]:,} {name.replace('_', ' ')}"] if cost[name] else []
    told += [f"{cost['flops']:.2g} FLOPs with {cost['parameters']:,} weights"] if cost["flops"] else []
    return ", ".join(told)


def _versions(environment: dict[str, Any]) -> str:
    packages = [f"{name} {version}" for name, version in environment["packages"].items() if name in ("torch", "transformers")]
    return ", ".join([f"python {environment['python']}", *packages])


def _short(value: Any) -> str:
    text = clean(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
