"""Equal compute: training that ends once it has taken as many FLOPs as another run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from dunwu.config.blocks import Budgeted
from dunwu.config.load import read_mapping
from dunwu.errors import ConfigError, RunError
from dunwu.models.bundled import newest_checkpoint, run_above
from dunwu.models.protocols import CausalLM
from dunwu.run.directory import read_manifest, read_metrics
from dunwu.run.step_manifest import folder_step
from dunwu.run.usage import count_parameters, stage_cost, training_usage

Row = Mapping[str, Any]


class Budget:
    """FLOPs that the steps of a run may take; the teacher's and those of evaluations do not count.

    ``used`` counts the FLOPs of steps from their metrics; ``spent`` are those so far.
    """

    def __init__(self, config: Budgeted, kind: str, parameters: int) -> None:
        """Raises ``ConfigError`` if the FLOPs of the other run or of a stage are unknown."""
        assert config.budget is not None, "the caller has checked that there is a budget"
        others = sum(stage_flops(name, made) for name, made in config.budget_with.items())
        self.flops = round(config.budget_share * (run_flops(config.budget) + others))
        self._usage = partial(training_usage, kind, config.model_dump(), parameters)
        self.spent = 0

    def used(self, rows: Sequence[Row]) -> int:
        """FLOPs of steps."""
        return self._usage(rows).flops

    def resume(self, rows: Sequence[Row]) -> None:
        """Count the steps before those of this process."""
        self.spent = self.used(rows)

    def add(self, row: Row) -> None:
        """Count one more step."""
        self.spent += self.used([row])

    def ends_with(self, row: Row) -> bool:
        """Whether training ends after a step that is not counted yet."""
        return self.spent + self.used([row]) >= self.flops

    @property
    def ended(self) -> bool:
        """Whether it is spent."""
        return self.spent >= self.flops

    @property
    def percent(self) -> int:
        """How much of it is spent, at most 100."""
        return min(100, 100 * self.spent // self.flops)

    def steps(self, done: int, most: int) -> int:
        """The number of steps at the pace of those that are ``done``: more than these, and at most ``most``."""
        pace = math.ceil(done * self.flops / self.spent) if self.spent else most
        return min(max(done + 1, pace), most)

    def last_step(self, rows: Sequence[Row], most: int) -> int:
        """The step of ``rows`` after which training ended, or ``most``."""
        spent = 0
        for row in rows:
            spent += self.used([row])
            if spent >= self.flops:
                return int(row["step"])
        return most


def budget_of(config: Budgeted, kind: str, model: CausalLM) -> Budget | None:
    """The budget of a run of ``model``, if it has one. Raises ``ConfigError`` if the FLOPs of the other run are unknown."""
    return Budget(config, kind, sum(weights.numel() for weights in model.parameters())) if config.budget else None


def stage_flops(name: str, made: str) -> int:
    """All FLOPs of the stage that made a file or folder. Raises ``ConfigError`` if they are unknown."""
    cost = stage_cost(Path(made).expanduser())
    if cost is None:
        raise ConfigError(f"budget_with.{name} = {made}: no stage of a pipeline made it, so that its compute is unknown; leave it out")
    return int(cost["flops"]) + int(cost.get("teacher_flops") or 0)


def run_flops(checkpoint: str) -> int:
    """The FLOPs of the steps of the run that made a checkpoint, up to it. Raises ``ConfigError`` if they are unknown."""
    folder = newest_checkpoint(Path(checkpoint).expanduser())
    run, step = run_above(folder) if folder.is_dir() else None, folder_step(folder)
    found = 0
    if run is not None:
        with suppress(RunError):
            rows = [row for row in read_metrics(run) if step is None or row["step"] <= step]
            found = training_usage(str(read_manifest(run)["kind"]), read_mapping(run / "config.yaml"), count_parameters(folder), rows).flops
    if not found:
        raise ConfigError(f"budget = {checkpoint}: not a checkpoint of a training run, whose compute would be known; give one")
    return found
