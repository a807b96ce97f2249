"""The train loop that all trainers share: resume, step, log, show, save, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dunwu.errors import Interrupted, TrainingError
from dunwu.run.checkpoint import newest_valid, save_checkpoint
from dunwu.run.directory import RunDirectory, read_metrics
from dunwu.run.interrupt import Interrupt
from dunwu.run.step_manifest import folder_step
from dunwu.trainers.budget import Budget
from dunwu.trainers.learning_watch import LearningWatch
from dunwu.trainers.trackers import Track, no_tracker

Metrics = Mapping[str, float | int | str | None]
Show = Callable[[Metrics], None]
"""Shows metrics on the progress line. Raises ``Interrupted`` if a signal asked to stop."""
Between = Callable[[int, Show], object]
"""``between(step, show)`` does other work between two steps, such as an evaluation: at the start (with the step that a run resumes from,
or 0) and after every step but the last."""


class Trainer(Protocol):
    """One step of training, and its whole state in and out of a checkpoint folder."""

    @property
    def halted(self) -> str:
        """Why the run must stop after the last step; empty while it may continue."""
        ...

    def step(self, step: int) -> Metrics:
        """Do step ``step`` (counted from 1) and return its metrics."""
        ...

    def save(self, folder: Path) -> None:
        """Write model and state into an empty folder."""
        ...

    def load(self, folder: Path) -> None:
        """Load the state of a valid checkpoint."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How many steps (with a budget: at most), and how often to save."""

    steps: int
    save_every: int
    keep: int
    description: str
    shown: Sequence[str] = ()
    """Metrics on the progress line."""
    evaluate_every: int = 0
    """Save also every this many steps, before the evaluation of that step; 0: never."""
    budget: Budget | None = None
    """Training ends when it is spent."""

    def saves(self, step: int) -> bool:
        """True if the step is saved in any case."""
        return step % self.save_every == 0 or self.ends(step) or (self.evaluate_every > 0 and step % self.evaluate_every == 0)

    def ends(self, step: int) -> bool:
        """Whether ``step``, the last one so far, is the last of all."""
        return step == self.steps or (self.budget is not None and self.budget.ended)

    def done(self, step: int) -> tuple[int, int]:
        """How much is done, and of how much: steps, or percent of the budget."""
        return (step, self.steps) if self.budget is None else (self.budget.percent, 100)

    def where(self, step: int) -> str:
        """The place of a step in words."""
        return f"step {step} of {self.steps}" if self.budget is None else f"step {step}, at {self.budget.percent} % of the budget"


def run_steps(
    run: RunDirectory, trainer: Trainer, schedule: Schedule, between: Between = lambda step, show: None, track: Track = no_tracker
) -> Path:
    """Run all steps, from the newest valid checkpoint if there is one, and return the final checkpoint.

    The first Ctrl-C or SIGTERM saves after the current step and raises ``Interrupted``; a trainer that halts raises ``TrainingError``.
    """
    done = _resume(run, trainer)
    watch = LearningWatch(run)
    if schedule.budget is not None:
        schedule.budget.resume(read_metrics(run.path))
    start, whole = schedule.done(done)
    with Interrupt() as interrupt, run.reporter.progress(whole, schedule.description, start) as advance:

        def pause(step: int) -> None:
            def show(metrics: Metrics) -> None:
                if interrupt.requested:
                    raise Interrupted(f"stopped after {schedule.where(step)}, which is evaluated again", interrupt.number)
                advance(schedule.done(step)[0], metrics)

            between(step, show)

        pause(done)
        for step in range(done + 1, done + 1 if schedule.ends(done) else schedule.steps + 1):
            metrics = trainer.step(step)
            run.log(step, metrics)
            track(step, metrics)
            watch.add(step, metrics)
            _count(run, schedule, step, metrics)
            advance(schedule.done(step)[0], {name: metrics[name] for name in schedule.shown if name in metrics})
            if schedule.saves(step) or interrupt.requested or trainer.halted:
                save_checkpoint(run.checkpoints, step, trainer.save, schedule.keep, reporter=run.reporter)
            if trainer.halted:
                raise TrainingError(f"stopped after {schedule.where(step)}, which is saved: {trainer.halted}")
            if interrupt.requested:
                raise Interrupted(f"stopped after {schedule.where(step)}, which is saved", interrupt.number)
            if schedule.ends(step):
                break
            pause(step)
    if schedule.budget is not None and not schedule.budget.ended:
        run.reporter.warn(f"all steps are done, at {schedule.budget.percent} % of the budget: allow more steps or epochs")
    newest = newest_valid(run.checkpoints, _say_skipped(run))
    assert newest is not None, "the final step was just saved"
    return newest


def _count(run: RunDirectory, schedule: Schedule, step: int, metrics: Metrics) -> None:
    """Count a step towards the budget; now and then the manifest gets the number of steps at this pace, for an ETA."""
    if schedule.budget is None:
        return
    schedule.budget.add(metrics)
    if schedule.ends(step) or step & (step - 1) == 0:
        run.note({"steps": step if schedule.ends(step) else schedule.budget.steps(step, schedule.steps)})


def _resume(run: RunDirectory, trainer: Trainer) -> int:
    folder = newest_valid(run.checkpoints, _say_skipped(run)) if run.resumed else None
    step = None if folder is None else folder_step(folder)
    if run.resumed:
        run.rewind(step)
    if folder is None or step is None:
        return 0
    trainer.load(folder)
    run.reporter.warn(f"resumed from {folder.name}")
    return step


def _say_skipped(run: RunDirectory) -> Callable[[Path, str], None]:
    return lambda folder, reason: run.reporter.warn(f"{folder.name} is skipped: {reason}")
