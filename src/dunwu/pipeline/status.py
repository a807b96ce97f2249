"""How far a pipeline's run is, read from its directory while it runs or afterwards. Takes no lock and imports no torch."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dunwu.errors import RunError
from dunwu.jobs.outside import outside_files
from dunwu.pipeline.artefacts import RECIPE, WORK, Artefact, artefact_folder, artefacts_of, is_kept, read_artefact
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.identity import code_of, placeless_config, same_config
from dunwu.pipeline.journal import Entry, State, read_journal
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.run.alive import running_pid, seconds_left
from dunwu.run.directory import MANIFEST, METRICS, read_manifest
from dunwu.run.identity import first_difference

TAIL_BYTES = 1 << 17
"""Of ``metrics.jsonl``: the pace is that of the steps in it."""


@dataclass(frozen=True)
class StageStatus:
    """One stage: the seconds it took so far and those left (``None``: unknown), tokens and FLOPs once it is done."""

    name: str
    kind: str
    state: State
    path: str | None = None
    step: int | None = None
    steps: int | None = None
    seconds: float = 0.0
    left: float | None = None
    tokens: int = 0
    flops: int = 0
    message: str = ""


@dataclass(frozen=True)
class Status:
    """A run: its stages in order, and the process that runs it, if one does on this machine."""

    name: str
    pid: int | None
    stages: Sequence[StageStatus]

    @property
    def done(self) -> bool:
        """Whether every stage is."""
        return all(stage.state == "done" for stage in self.stages)

    @property
    def left(self) -> float | None:
        """Seconds until all is done; ``None`` where those of a stage are unknown."""
        return None if self.unknown else self.left_at_least

    @property
    def left_at_least(self) -> float:
        """Seconds that the stages will take of which they are known."""
        return sum(stage.left or 0.0 for stage in self.stages)

    @property
    def unknown(self) -> int:
        """How many stages there are of which nobody knows how long they will take."""
        return sum(stage.left is None for stage in self.stages)

    def totals(self) -> dict[str, float]:
        """``seconds``, ``tokens`` and ``flops`` of all stages together."""
        return {name: float(sum(getattr(stage, name) for stage in self.stages)) for name in ("seconds", "tokens", "flops")}

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        stages = [asdict(stage) for stage in self.stages]
        return {
            "name": self.name,
            "pid": self.pid,
            "done": self.done,
            **self.totals(),
            "left": self.left,
            "left_at_least": self.left_at_least,
            "stages": stages,
        }


def read_status(run: Path, check_code: bool = False) -> Status:
    """The status of the run in a directory; with ``check_code``, which takes a second, also whether finished stages would run again.

    Raises ``RunError`` where it holds no pipeline's run.
    """
    recipe = run / RECIPE
    if not recipe.is_file() and (run / MANIFEST).is_file():
        raise RunError(f"{run} is a run of one stage, not of a pipeline: `dunwu report` shows how far it is")
    if not recipe.is_file():
        raise RunError(
            f"{run} holds no run of a pipeline ({RECIPE} is missing): give the run directory of a pipeline, such as that of `dunwu r1`"
        )
    pipeline, journal, pid = _pipeline(recipe, recipe.stat().st_mtime_ns), read_journal(run), running_pid(run)
    entries = {stage.name: journal.get(stage.name, Entry()) for stage in pipeline.stages}
    there = {name: read_artefact(artefact_folder(run, name, entry.identity)) for name, entry in entries.items() if entry.identity}
    found = guessed([_stage_status(run, stage, entries[stage.name], there, pid) for stage in pipeline.stages])
    if check_code and not pid:
        found = [_with_code(each, stage, there.get(each.name)) for each, stage in zip(found, pipeline.stages, strict=True)]
    return Status(pipeline.name, pid, found)


def guessed(stages: Sequence[StageStatus]) -> list[StageStatus]:
    """Estimates the time of waiting stages from the last one of the same kind: per step, or in total if it has no steps.

    Custom functions are excluded: their times are unrelated.
    """
    found: list[StageStatus] = []
    for stage in stages:
        like = next((each for each in reversed(found) if each.kind == stage.kind and each.seconds), None)
        if stage.state == "waiting" and stage.left is None and like is not None and stage.kind != "own":
            if stage.steps and like.step:
                stage = replace(stage, left=stage.steps * like.seconds / like.step)
            elif like.state == "done" and not stage.steps:
                stage = replace(stage, left=like.seconds)
        found.append(stage)
    return found


def _stage_status(run: Path, stage: Stage, entry: Entry, there: Mapping[str, Artefact | None], pid: int | None) -> StageStatus:
    artefact = there.get(stage.name)
    if artefact is not None and _is_present(stage, artefact, there):
        return _done(stage, artefact)
    if artefact is not None or not entry.identity:
        return StageStatus(stage.name, stage.kind, "waiting", steps=stage.described.steps, left=_earlier_seconds(run, stage.name))
    folder = artefact_folder(run, stage.name, entry.identity)
    said = _manifest(folder)
    steps = _steps(stage, said)
    state: State = {"running": "running" if pid else "stopped", "done": "waiting"}.get(entry.state, entry.state)
    rows = read_tail(folder / WORK / METRICS)
    paced = [row for row in rows if row["time"] >= entry.began]  # without the pause before this start
    return StageStatus(
        stage.name,
        stage.kind,
        state,
        str(folder),
        int(rows[-1]["step"]) if rows else None,
        steps,
        float(said.get("cost_seconds", 0.0)) + (time.time() - entry.began if state == "running" else 0.0),
        seconds_left(paced, steps) if paced and steps else _earlier_seconds(run, stage.name),
        message=entry.message,
    )


def _with_code(status: StageStatus, stage: Stage, artefact: Artefact | None) -> StageStatus:
    """A finished stage waits again if its code has changed, unless it was kept with ``--accept-code``."""
    if status.state != "done" or artefact is None or not stage.described.function:
        return status
    now = code_of(stage.described.function, [file.path for file in outside_files(stage.work).values() if file.function])
    found = first_difference(artefact.manifest["code"], now)
    if found is None or is_kept(artefact, now):
        return status
    message = f"{found[0]} has changed: the stage runs again, unless --accept-code keeps it"
    return replace(status, state="waiting", left=status.seconds, message=message)


def _is_present(stage: Stage, artefact: Artefact, there: Mapping[str, Artefact | None]) -> bool:
    """True if it was made with the recipe's configuration and the current inputs; changed code is not checked."""
    made_of: dict[str, str] = artefact.manifest["inputs"]
    sources = {key: there.get(name) for key, name in stage.inputs.items()}
    return same_config(stage.kind, artefact.manifest["config"], placeless_config(stage)) and all(
        source is not None and source.hash == made_of.get(key) for key, source in sources.items()
    )


@lru_cache(maxsize=4)
def _pipeline(recipe: Path, changed: int) -> Pipeline:
    """The recipe of a run; ``changed`` makes a changed file a new cache entry. The live view reads it every second."""
    return read_pipeline(recipe)


def read_tail(metrics: Path) -> list[dict[str, Any]]:
    """The last readable rows of ``metrics.jsonl``; empty without a file."""
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, metrics.stat().st_size - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # the seek cuts the first line, and the last may be incomplete
        rows += [row] if isinstance(row, dict) and {"step", "time"} <= row.keys() else []
    return rows


def _done(stage: Stage, artefact: Artefact) -> StageStatus:
    cost, steps = artefact.manifest["cost"], _steps(stage, _manifest(artefact.folder))
    tokens = cost["trained_tokens"] + cost["generated_tokens"]
    return StageStatus(stage.name, stage.kind, "done", str(artefact.payload), steps, steps, cost["seconds"], 0.0, tokens, cost["flops"])


def _earlier_seconds(run: Path, stage: str) -> float | None:
    """The stage's seconds under another identity, as an estimate; ``None`` if it never ran."""
    found = artefacts_of(run, stage)
    return float(found[0].manifest["cost"]["seconds"]) if found else None


def _steps(stage: Stage, said: Mapping[str, Any]) -> int | None:
    """The last step, from the configuration or the manifest of its run; ``None`` if unknown."""
    return stage.described.steps or said.get("steps")


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the run directory in a stage's folder; empty if there is none."""
    try:
        return read_manifest(folder / WORK)
    except RunError:
        return {}
