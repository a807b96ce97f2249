"""The clock all trainers share: resume, step, log, show, save, stop."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dunwu.errors import Interrupted, TrainingError
from dunwu.run.checkpoint import newest_whole, save_checkpoint
from dunwu.run.directory import RunDirectory
from dunwu.run.interrupt import Interrupt
from dunwu.run.progress import Progress
from dunwu.run.step_manifest import folder_step

Metrics = Mapping[str, float | int | str | None]


class Learner(Protocol):
    """What a trainer brings: one step, and its whole state in and out of a checkpoint folder."""

    @property
    def halted(self) -> str:
        """Why no further step may follow the last one; empty while one may."""
        ...

    def step(self, step: int) -> Metrics:
        """Do step ``step`` (counted from 1) and return its metrics."""
        ...

    def save(self, folder: Path) -> None:
        """Write model and state into an empty folder."""
        ...

    def load(self, folder: Path) -> None:
        """Take up the state of a whole checkpoint."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long, and how often to save."""

    steps: int
    save_every: int
    keep: int
    description: str
    shown: Sequence[str] = ()
    """Metrics on the progress line."""


def run_clock(run: RunDirectory, learner: Learner, schedule: Schedule) -> Path:
    """Bring the learner to its last step, from the newest whole checkpoint if there is one, and return the final checkpoint.

    The first Ctrl-C or SIGTERM saves after the current step and raises ``Interrupted``; a learner that halts raises ``TrainingError``.
    """
    done = _take_up(run, learner)
    with Interrupt() as interrupt, Progress(schedule.steps, schedule.description, start=done) as progress:
        for step in range(done + 1, schedule.steps + 1):
            metrics = learner.step(step)
            run.log(step, metrics)
            progress.advance(step, {name: metrics[name] for name in schedule.shown if name in metrics})
            if step % schedule.save_every == 0 or step == schedule.steps or interrupt.requested or learner.halted:
                save_checkpoint(run.checkpoints, step, learner.save, schedule.keep)
            if learner.halted:
                raise TrainingError(f"stopped after step {step} of {schedule.steps}, which is saved: {learner.halted}")
            if interrupt.requested:
                raise Interrupted(f"stopped after step {step} of {schedule.steps}, which is saved")
    newest = newest_whole(run.checkpoints, on_skip=_say_skipped)
    assert newest is not None, "the final step was just saved"
    return newest


def _take_up(run: RunDirectory, learner: Learner) -> int:
    folder = newest_whole(run.checkpoints, on_skip=_say_skipped) if run.resumed else None
    step = None if folder is None else folder_step(folder)
    if run.resumed:
        run.rewind(step)
    if folder is None or step is None:
        return 0
    learner.load(folder)
    print(f"resumed from {folder.name}", file=sys.stderr)
    return step


def _say_skipped(folder: Path, reason: str) -> None:
    print(f"{folder.name} is passed over: {reason}", file=sys.stderr)
