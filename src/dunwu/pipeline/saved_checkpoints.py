"""The checkpoints that a run or a pipeline has kept, with the FLOPs of training before each. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from dunwu.analysis.lab.material import evenly, training_flops
from dunwu.analysis.rundir import Run, read_run
from dunwu.errors import RunError
from dunwu.jobs.outside import model_folder
from dunwu.jobs.saved import Saved
from dunwu.pipeline.artefacts import RECIPE, WORK, artefact_folder
from dunwu.pipeline.journal import read_journal
from dunwu.pipeline.lineage import checkpoint_fault
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import folder_step
from dunwu.run.usage import count_parameters

MOST = 40
"""Checkpoints of a run that are measured, spread evenly."""
TRAINS = ("zero", "sft", "distillation", "pretrain")
"""Kinds of runs whose checkpoints complete prompts."""


def is_pipeline(folder: Path) -> bool:
    """Whether a pipeline was run there."""
    return (folder / RECIPE).is_file()


def saved_checkpoints(folder: Path, reporter: Reporter = QUIET) -> list[Saved]:
    """By line (the run, or each stage that trains, in the order of the pipeline): the model it began with, and the checkpoints it kept.

    Raises ``RunError`` if there are none.
    """
    runs = _stages(folder) if is_pipeline(folder) else {folder.resolve().name: folder}
    spent: dict[Path, float] = {}
    found: list[Saved] = []
    for line, run in runs.items():
        found += _line(line, read_run(run), spent, reporter)
    if not found:
        raise RunError(f"{folder} has no checkpoint of a model that completes prompts: train first, or give another run")
    return found


def _stages(pipeline: Path) -> dict[str, Path]:
    journal = read_journal(pipeline)
    runs = {name: artefact_folder(pipeline, name, entry.identity) / WORK for name, entry in journal.items() if entry.identity}
    return {name: run for name, run in runs.items() if (run / "checkpoints").is_dir()}


def _line(line: str, run: Run, spent: dict[Path, float], reporter: Reporter) -> list[Saved]:
    """The start and the checkpoints of a run; ``spent`` has the FLOPs of all checkpoints so far, by folder."""
    folders = [path for path in sorted((run.path / "checkpoints").glob("step-*")) if folder_step(path) is not None]
    if run.manifest.get("kind") not in TRAINS or not folders:
        return []
    flops = training_flops(run, count_parameters(folders[-1]))
    started = run.config.get("model")
    start = model_folder(started) if isinstance(started, str) else None
    before = 0.0 if start is None else spent.get(start.resolve(), 0.0)
    template = run.config.get("template", "auto")
    found = [] if start is None else [Saved(line, "start", str(started), before, template)]
    if start is None and isinstance(started, str):
        reporter.warn(f"{line}: {started} is not a folder here: the model before training is left out")
    for folder in evenly(folders, MOST):
        step = folder_step(folder)
        if fault := checkpoint_fault(folder):
            reporter.warn(f"{fault}: left out")
            continue
        spent[folder.resolve()] = before + flops.get(step or 0, 0.0)
        found.append(Saved(line, f"step {step}", str(folder), spent[folder.resolve()], template))
    return found
