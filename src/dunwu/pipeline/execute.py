"""Runs a pipeline to its end: each stage once, in order, after any interruption.

One process holds the run directory. A stage with an artefact of its current identity is done. Any other stage runs in a folder of its own:
trainers resume from their last checkpoint, other stages start again in a temporary folder that is renamed when it is complete. So the
same command after a kill ends with the same artefacts, and a change runs again only what depends on it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from dunwu.config.base import Config
from dunwu.config.blocks import Saving
from dunwu.config.load import read_mapping
from dunwu.config.pipeline import FileConfig
from dunwu.errors import ConfigError, DataError, DunwuError, Interrupted, RunError
from dunwu.jobs.outside import missing_file, outside_files
from dunwu.jobs.stopping import stopping_at_once
from dunwu.pipeline.artefacts import (
    OUTPUT,
    RECIPE,
    STAGES,
    WORK,
    Artefact,
    artefact_folder,
    artefacts_of,
    begin,
    keep,
    kept,
    read_artefact,
    seal,
    under_other_code,
)
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.identity import Identity, Input, identity_of
from dunwu.pipeline.journal import Journal
from dunwu.pipeline.live import shown
from dunwu.pipeline.recipe_file import dump_pipeline
from dunwu.pipeline.stages import Work, describe
from dunwu.process.code_hash import file_code_hash
from dunwu.run.atomic import atomic_file, atomic_folder, fsync_path, remove_leftovers, set_aside
from dunwu.run.directory import MANIFEST, RunDirectory, read_manifest, relocate
from dunwu.run.reporter import QUIET, Reporter, duration
from dunwu.trainers.trackers import check_trackers

_SECONDS = "seconds.json"


@stopping_at_once()
def run_pipeline(
    pipeline: Pipeline,
    out: Path,
    first: str | None = None,
    last: str | None = None,
    accept_code: bool = False,
    reporter: Reporter = QUIET,
) -> dict[str, Artefact]:
    """Run or resume the stages from ``first`` to ``last`` and return their artefacts by name.

    With ``accept_code``, results made under other code are kept and half-finished work is resumed; the manifest records it.
    With ``first``, stages that do not depend on it are not run: their current artefact is used, else their newest.

    Raises ``RunError`` (run in use, corrupt artefact, missing input), what the stages raise, and ``Interrupted`` when it is stopped;
    finished stages are kept.
    """
    selected = pipeline.between(first, last)
    for stage in selected:
        check_stage(stage)
    _renew_manifest(out, pipeline.name, reporter)
    with (
        reporter.live(lambda: shown(out)),
        RunDirectory.create(out, "pipeline", {"name": pipeline.name}, seed=0, resume=True, reporter=reporter),
    ):
        for folder in (out / STAGES).glob("*/*"):
            remove_leftovers(folder, reporter)
        with atomic_file(out / RECIPE) as file:
            file.write(dump_pipeline(pipeline).encode())
        journal = Journal(out)
        journal.begin(stage.name for stage in pipeline.stages)
        execution = _Execution(pipeline, out.resolve(), journal, reporter, accept_code)
        if first is not None:
            execution.take_others(selected, first)
        return {stage.name: execution.bring(stage) for stage in selected}


class _Execution:
    """The artefacts made so far, and how to get the next."""

    def __init__(self, pipeline: Pipeline, run: Path, journal: Journal, reporter: Reporter, accept_code: bool) -> None:
        self._pipeline, self._run, self._journal, self._reporter, self._accept_code = pipeline, run, journal, reporter, accept_code
        self._there: dict[str, Artefact] = {}
        self._verified: set[Path] = set()

    def _say(self, stage: Stage, event: str) -> None:
        self._reporter.say(f"stage {stage.name}: {event}")

    def take_others(self, selected: Sequence[Stage], first: str) -> None:
        """Load the inputs of ``selected`` from stages that are not run. Raises ``RunError`` for the first that is missing."""
        sources = dict.fromkeys(name for stage in selected for name in stage.inputs.values())
        for source in (self._pipeline[name] for name in sources if name not in [stage.name for stage in selected]):
            found = artefacts_of(self._run, source.name)
            if not source.described.function:
                self.bring(source)
            elif found:
                present = self._journal.entries[source.name].identity
                artefact = next((each for each in found if each.manifest["identity"] == present), found[0])
                self._there[source.name] = artefact
                self._journal.note(source.name, "done", artefact.manifest["identity"])
                self._say(source, f"used as it is from {artefact.folder.name}")
            else:
                raise RunError(f"--from {first}: the artefact of stage {source.name} is needed but missing; run without --from first")

    def bring(self, stage: Stage) -> Artefact:
        """The stage's artefact, made now unless it exists."""
        check_stage(stage)
        inputs = {key: self._there[source] for key, source in stage.inputs.items()}
        identity = identity_of(stage, {key: Input(each.hash, each.origin) for key, each in inputs.items()})
        folder = artefact_folder(self._run, stage.name, identity.digest)
        # The manifest of an outside file is always rewritten: the same content may have moved.
        artefact = read_artefact(folder) or kept(folder) if stage.described.function else None
        if artefact is None and self._accept_code:
            artefact = self._under_other_code(stage, identity, folder)
            if artefact is not None:
                keep(folder, artefact, identity)
        if artefact is None:
            for each in inputs.values():
                self._verify(each)
            artefact = self._make(stage, inputs, identity, folder)
            self._verified.add(folder)
        else:
            artefact.verify(contents=False)
            self._say(stage, "done before" if artefact.folder == folder else "done before, under other code")
        self._there[stage.name] = artefact
        self._journal.note(stage.name, "done", artefact.manifest["identity"])
        return artefact

    def _under_other_code(self, stage: Stage, identity: Identity, folder: Path) -> Artefact | None:
        """The artefact finished under other code, if any; half-finished work is moved to ``folder``, to be resumed there."""
        earlier = None if folder.exists() else under_other_code(folder, identity)
        if earlier is None or (artefact := read_artefact(earlier)) is not None:
            return None if earlier is None else artefact
        os.rename(earlier, folder)
        fsync_path(folder.parent)
        return None

    def _verify(self, artefact: Artefact) -> None:
        """Verify an artefact before its first use in this process."""
        if artefact.folder not in self._verified:
            artefact.verify()
            self._verified.add(artefact.folder)

    def _make(self, stage: Stage, inputs: Mapping[str, Artefact], identity: Identity, folder: Path) -> Artefact:
        event, reason = begin(folder, identity)
        self._journal.note(stage.name, "running", identity.digest, reason)
        self._say(stage, event)
        config = stage.filled({key: str(each.payload) for key, each in inputs.items()})
        work = describe(config)
        try:
            made, seconds = _perform(work, config, folder, self._reporter)
            payload = work.payload(made)
            artefact = seal(folder, stage.name, work.makes, payload, identity, work.usage(made, payload), seconds)
        except Interrupted as error:
            self._journal.note(stage.name, "stopped", message=str(error))
            raise
        except DunwuError as error:
            self._journal.note(stage.name, "failed", message=str(error))
            remedy = f"; to restart this stage, delete {folder}" if isinstance(error, RunError) else ""
            raise type(error)(f"stage {stage.name}: {error}{remedy}") from error
        self._say(stage, f"done in {duration(seconds)}")
        return artefact


def _renew_manifest(out: Path, name: str, reporter: Reporter) -> None:
    """Rewrite a corrupt or missing manifest: it holds only the name and the starts, and must not block finished stages."""
    recipe = out / RECIPE
    if not (os.path.isdir(out / STAGES) and os.path.isfile(recipe)):  # Path.is_file would raise for a name that is too long
        return
    if read_mapping(recipe).get("name") != name:
        return
    try:
        read_manifest(out)
    except RunError as error:
        with TemporaryDirectory(dir=out) as folder:
            fresh = Path(folder) / "run"
            RunDirectory.create(fresh, "pipeline", {"name": name}, seed=0).close()
            if os.path.lexists(out / MANIFEST):
                set_aside(out / MANIFEST, reporter)
            os.rename(fresh / MANIFEST, out / MANIFEST)
        reporter.say(f"{error.args[0].partition(':')[0]}: rewritten; the stages are unchanged")


def check_stage(stage: Stage) -> None:
    """Raises ``DataError`` for a missing outside file, ``ConfigError`` for a missing tracker now, not hours later when the stage runs."""
    if isinstance(stage.work, FileConfig) and not Path(os.path.expanduser(stage.work.path)).exists():
        raise DataError(f"stage {stage.name}: {stage.work.path} does not exist; check the path")
    if missing := missing_file(stage.work):
        key, value = missing
        raise DataError(f"stage {stage.name}: {key} = {value!r} does not exist; check the path")
    if isinstance(stage.work, Saving):
        try:
            check_trackers(stage.work.report_to)
        except ConfigError as error:
            raise ConfigError(f"stage {stage.name}: {error}") from error


def _perform(work: Work, config: Config, folder: Path, reporter: Reporter) -> tuple[Path, float]:
    """Runs the work; returns the folder with its output, and the seconds it took."""
    if not work.function:
        return folder, 0.0
    module, _, name = work.function.partition(":")
    function = getattr(importlib.import_module(module), name)
    with _as_if_alone():
        if work.resumes:
            # The identity is the same, but inputs may have moved: made again with the same content, or moved with the run.
            own = {key.removesuffix(".function"): file_code_hash(file.path) for key, file in outside_files(config).items() if file.function}
            relocate(folder / WORK, config.model_dump(mode="json"), own)
            function(config, folder / WORK, True, reporter=reporter)
            return folder / WORK, float(read_manifest(folder / WORK)["cost_seconds"])
        return _make_complete(function, config, folder, reporter)


def _make_complete(function: Callable[..., Any], config: Config, folder: Path, reporter: Reporter) -> tuple[Path, float]:
    """The output, complete or absent; the time of killed starts is not counted."""
    final = folder / OUTPUT
    if not final.exists():
        began = time.monotonic()
        with atomic_folder(final, reporter) as making:
            function(config, making, reporter=reporter)
            with atomic_file(folder / _SECONDS) as file:
                file.write(json.dumps(time.monotonic() - began).encode())
    return final, _read_seconds(folder / _SECONDS)


def _read_seconds(file: Path) -> float:
    """0 for a corrupt file: only the reported cost depends on it."""
    try:
        return float(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return 0.0


@contextmanager
def _as_if_alone() -> Iterator[None]:
    """Isolates a stage from process state left by earlier ones, which would be absent after a kill."""
    threads = torch.get_num_threads()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        gc.collect()
        torch.cuda.empty_cache()
