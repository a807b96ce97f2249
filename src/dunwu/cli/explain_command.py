"""`dunwu explain`: how a checkpoint or another artefact was made, from the files beside and above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.show import show
from dunwu.config.load import read_mapping
from dunwu.data.tiny_world.card import read_card
from dunwu.errors import ModelError
from dunwu.models.bundled import BUNDLED_NAME, RELEASE, run_above
from dunwu.pipeline.artefacts import WORK, Artefact
from dunwu.pipeline.lineage import ancestry, artefacts_at, checkpoint_fault, entries, facts, last_row, outside_models, read_json
from dunwu.text.surrogates import as_json

SHOWN_ELSEWHERE = ("config", "starts", "base_card")
"""Parts of a run's manifest that have their own lines, or none."""
_NO_RUN = "no run directory above it: another tool made it, or it was moved"
_HASH = re.compile("[0-9a-f]{64}")
METRICS_SHOWN = ("step", "reward", "completions/mean_length", "entropy", "loss")


@dataclass(frozen=True)
class ExplainOptions:
    """Show how a checkpoint was made: its run or stage, the inputs of that, and so on down to the base model and the data."""

    checkpoint: tyro.conf.Positional[str]
    """A checkpoint folder, a run directory, any output of a pipeline stage, or tiny."""
    json: bool = False
    """Print one JSON object: model, and lineage, a list from it down to what it was made from."""


def run(arguments: Sequence[str]) -> int:
    """Prints the lineage."""
    options, rest = parse_options(ExplainOptions, "explain", arguments)
    refuse_rest("explain", rest)
    if options.json:
        check_explainable(options.checkpoint)
        print(as_json({"model": options.checkpoint, "lineage": list(entries(options.checkpoint))}))
    else:
        show("\n".join(lineage(options.checkpoint)))
    return 0


def check_explainable(model: str) -> None:
    """Raises `ModelError` for a path that is neither a model's folder nor a part of a run."""
    folder = Path(model)
    if model == BUNDLED_NAME or artefacts_at(folder):
        return
    if not folder.is_dir():
        raise ModelError(f"{model}: checkpoint folder not found; check the path")
    if not (folder / "config.json").is_file() and run_above(folder) is None:
        raise ModelError(f"{model}: neither a model (no config.json) nor part of a run (no config.yaml); check the path")


def lineage(model: str) -> list[str]:
    """Lines from the model down to what it was made from. Raises `ModelError` as `check_explainable`."""
    check_explainable(model)
    return list(_lineage(model, 0, set()))


def _lineage(model: str, depth: int, seen: set[Path]) -> Iterator[str]:
    """The lines of one model and of everything below it."""
    artefacts = [] if model == BUNDLED_NAME else artefacts_at(Path(model))
    for artefact in artefacts:
        yield from _stages(artefact, depth, seen)
    if not artefacts:
        block, following = _one(model, seen)
        yield from _indented(block, depth)
        if following is not None:
            yield from _lineage(following, depth + 1, seen)


def _stages(artefact: Artefact, depth: int, seen: set[Path]) -> Iterator[str]:
    """The lines of an artefact of a pipeline: its stage, those it takes from, and models from outside."""
    for ancestor in ancestry(artefact):
        made, below = ancestor.artefact, depth + ancestor.depth
        title = f"{f'{ancestor.key}: ' if ancestor.key else ''}stage {made.stage} ({made.manifest['kind']})"
        again = made.folder in seen
        seen.add(made.folder)
        yield from _indented(
            [f"{title} (see above)"] if again else [title, f"in {made.folder}", *facts(made), *_last_metrics(made.folder / WORK)], below
        )
        for outside in [] if again else outside_models(made):
            yield from _lineage(outside, below + 1, seen)


def _indented(block: Sequence[str], depth: int) -> Iterator[str]:
    first, *others = block
    return ("  " * depth + line for line in [f"<- {first}" if depth else first, *(f"   {line}" for line in others)])


def _one(model: str, seen: set[Path]) -> tuple[list[str], str | None]:
    """The lines about one model, and the model it was trained from."""
    if model == BUNDLED_NAME:
        return ["the bundled model tiny", *_bundled_facts()], None
    folder = Path(model).resolve()
    if folder in seen:
        return [f"{model} (see above)"], None
    seen.add(folder)
    if not folder.is_dir():
        return [f"{model} (not a folder of this machine: a hub id, or moved)"], None
    run_folder = run_above(folder)
    lines = [f"{model}", *_checkpoint_facts(folder)]
    if run_folder is None:
        released = (folder / RELEASE).is_file()
        above = "written by dunwu export: its README.md says how it was made" if released else _NO_RUN
        return [*lines, above], None
    config = read_mapping(run_folder / "config.yaml")
    manifest = read_json(run_folder / "manifest.json")
    facts = _facts({key: value for key, value in manifest.items() if key not in SHOWN_ELSEWHERE})
    lines += [f"made by the run {run_folder}", *facts, *_settings(config), *_last_metrics(run_folder)]
    parent = config.get("model")
    return lines, parent if isinstance(parent, str) else None


def _checkpoint_facts(folder: Path) -> list[str]:
    if not (folder / "manifest.json").is_file() or (folder / "config.yaml").is_file():
        return []
    if fault := checkpoint_fault(folder):
        return [f"CORRUPT: {fault}"]
    written = read_json(folder / "manifest.json")
    return ["valid: every file is as it was written", *_facts({"step": written.get("step"), **written.get("metadata", {})})]


def _bundled_facts() -> list[str]:
    try:
        return _facts(read_card())
    except ModelError as error:
        return [str(error)]


def _facts(values: dict[str, Any]) -> list[str]:
    """`key: value` for what fits a line; mappings one level deep."""
    return [f"{key}: {text}" for key, value in values.items() if (text := _fact(value))]


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        inner = [f"{key} {_leaf(item)}" for key, item in value.items() if isinstance(item, str | int | float)]
        return ", ".join(inner[:8]) + (", ..." if len(inner) > 8 else "")
    if isinstance(value, list):
        return ", ".join(_leaf(item) for item in value[:8])
    return "" if value is None else _leaf(value)


def _leaf(value: Any) -> str:
    """One value: numbers to four digits; a hash is shortened as in `dunwu doctor`."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return value[:12] if isinstance(value, str) and _HASH.fullmatch(value) else str(value)


def _settings(config: dict[str, Any]) -> Iterator[str]:
    """The settings that people ask for first."""
    for task in config.get("tasks") or ():
        yield f"task: {_fact(task.get('task'))}"
    grpo = config.get("grpo") or {}
    for key, value in (("seed", config.get("seed")), ("steps", grpo.get("steps")), ("algorithm", grpo.get("algorithm"))):
        if value is not None:
            yield f"{key} (configuration): {value}"


def _last_metrics(run_folder: Path) -> list[str]:
    row = last_row(run_folder)
    return [f"last metrics: {_fact({key: row[key] for key in METRICS_SHOWN if key in row})}"] if row else []
