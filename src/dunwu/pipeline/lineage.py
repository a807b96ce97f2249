"""The lineage of a model or another artefact: every stage or run before it, down to outside files and models. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunwu.config.base import Config
from dunwu.config.load import read_mapping
from dunwu.data.tiny_world.card import read_card
from dunwu.errors import CheckpointError, DataError, RunError
from dunwu.models.bundled import BUNDLED_NAME, bundled_path, run_above
from dunwu.pipeline.artefacts import RECIPE, STAGES, WORK, Artefact, artefact_folder, read_artefact
from dunwu.pipeline.journal import read_journal
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.pipeline.stages import KINDS
from dunwu.run.reporter import clean, duration
from dunwu.run.step_manifest import verify_checkpoint
from dunwu.run.usage import ARTEFACT

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
            waiting += [Ancestor(source_of(ancestor.artefact, source), ancestor.depth + 1, key) for key, source in reversed(inner)]


def entries(model: str) -> Iterator[dict[str, Any]]:
    """A model and all that it was made from, as data: stages with their artefact's manifest, models with their run's manifest and
    configuration. ``depth`` is the distance from the model; what appears again has no manifest.

    Raises ``UserError`` for a corrupt manifest.
    """
    yield from _entries(model, 0, set())


def _entries(model: str, depth: int, seen: set[Path]) -> Iterator[dict[str, Any]]:
    artefacts = [] if model == BUNDLED_NAME else artefacts_at(Path(model))
    for artefact in artefacts:
        for ancestor in ancestry(artefact):
            made, below = ancestor.artefact, depth + ancestor.depth
            again = made.folder in seen
            seen.add(made.folder)
            shown = {} if again else {"manifest": made.manifest, "last_metrics": last_row(made.folder / WORK)}
            yield {"depth": below, "input": ancestor.key, "stage": made.stage, "folder": str(made.folder), **shown}
            for outside in [] if again else outside_models(made):
                yield from _entries(outside, below + 1, seen)
    if artefacts:
        return
    folder = bundled_path() if model == BUNDLED_NAME else Path(model).resolve()
    entry: dict[str, Any] = {"depth": depth, "model": model}
    run_folder = None if folder in seen or model == BUNDLED_NAME or not folder.is_dir() else run_above(folder)
    seen.add(folder)
    if run_folder is None:
        yield {**entry, **({"card": read_card()} if model == BUNDLED_NAME else {})}
        return
    config = read_mapping(run_folder / "config.yaml")
    manifest = {key: value for key, value in read_json(run_folder / "manifest.json").items() if key != "config"}
    valid = not checkpoint_fault(folder)
    yield {**entry, "valid": valid, "run": str(run_folder), "manifest": manifest, "config": config, "last_metrics": last_row(run_folder)}
    if isinstance(parent := config.get("model"), str):
        yield from _entries(parent, depth + 1, seen)


def parent_of(model: str) -> str | None:
    """The model that a model was trained from: empty if it is from scratch, ``None`` if no run or stage of ours made it."""
    if model == BUNDLED_NAME or not Path(model).is_dir():
        return None
    for artefact in artefacts_at(Path(model)):
        if artefact.manifest["kind"] == "file":
            return None
        return _trained_from(artefact)
    run = run_above(Path(model))
    return None if run is None else str(read_mapping(run / "config.yaml").get("model") or "")


def _trained_from(made: Artefact) -> str:
    """The model that a stage began with: of merged ones their base, or the first; empty if it began from scratch."""
    manifest, key = made.manifest, "model"
    if manifest["kind"] == "merge":
        models = manifest["config"]["models"]
        key = "base" if "base" in manifest["sources"] or manifest["config"]["base"] else f"models.{next(iter(models))}"
    source = manifest["sources"].get(key, {})
    if "stage" in source:
        return str(source_of(made, source).payload)
    if "path" in source:
        return _outside(source["path"])
    group, _, name = key.partition(".")
    value = manifest["config"].get(group)
    return str((value[name] if name else value) or "")


def measurements(artefact: Artefact, model: Mapping[str, str] | None = None) -> list[Artefact]:
    """The finished evaluations in the run of an artefact's pipeline: of the artefact, or of the ``model`` that it names as a source."""
    run = artefact.folder.parents[2]
    journal = read_journal(run)
    there = [read_artefact(artefact_folder(run, name, entry.identity)) for name, entry in journal.items() if entry.identity]
    return [
        each
        for each in there
        if each and each.manifest["sources"].get("model") == (model or artefact.origin) and each.manifest["makes"] == "evaluation"
    ]


def outside_models(made: Artefact) -> Iterator[str]:
    """The models from outside the pipeline that an artefact was made from."""
    for key, source in made.manifest["sources"].items():
        if (key == "model" or made.manifest["kind"] == "merge") and "path" in source:
            yield _outside(source["path"])


def _outside(path: str) -> str:
    return BUNDLED_NAME if Path(path) == bundled_path() else path


def checkpoint_fault(folder: Path) -> str:
    """What is wrong with a checkpoint; empty if every file is as it was written, and for a folder that has no manifest of a checkpoint."""
    if not (folder / "manifest.json").is_file() or (folder / "config.yaml").is_file():
        return ""
    try:
        verify_checkpoint(folder)
    except CheckpointError as error:
        return str(error)
    return ""


def last_row(run_folder: Path) -> dict[str, Any]:
    """The last row of the metrics; empty without one."""
    path = run_folder / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in reversed(lines):
        try:
            return dict(json.loads(line))
        except ValueError:
            continue  # the last line of a killed run may be incomplete
    return {}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file. Raises `DataError` when it is corrupt."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise DataError(f"{path}: not valid JSON; the file is corrupt") from None
    return data if isinstance(data, dict) else {}


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


def source_of(artefact: Artefact, source: dict[str, str]) -> Artefact:
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
    parts += [f"{cost['teacher_flops']:.2g} FLOPs of the teacher"] if cost.get("teacher_flops") else []
    return ", ".join(parts)


def _versions(environment: dict[str, Any]) -> str:
    packages = [f"{name} {version}" for name, version in environment["packages"].items() if name in ("torch", "transformers")]
    return ", ".join([f"python {environment['python']}", *packages])


def _short(value: Any) -> str:
    text = clean(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
