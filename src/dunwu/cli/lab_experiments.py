"""The experiments of `dunwu lab` that need the model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from dunwu.cli.show import show
from dunwu.cli.training import command_line
from dunwu.errors import Interrupted, UserError
from dunwu.run.console import ConsoleReporter


class ExperimentOptions(Protocol):
    """Their options."""

    @property
    def causal(self) -> bool: ...
    @property
    def budgets(self) -> bool: ...
    @property
    def phases(self) -> tuple[str, ...]: ...
    @property
    def eval_set(self) -> str | None: ...
    @property
    def samples(self) -> int: ...
    @property
    def completions(self) -> int: ...
    @property
    def problems(self) -> int: ...
    @property
    def grid(self) -> tuple[int, ...]: ...
    @property
    def seed(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...


def make_experiments(options: ExperimentOptions, run: Path, out: Path, arguments: Sequence[str], quiet: bool) -> None:
    """Makes those that are asked for; ``quiet``: messages go to stderr. A stop says how to resume."""
    if negative := next((each for each in options.grid if each < 0), None):
        raise UserError(f"lab: --grid {negative}: expected numbers of at least 0")
    from dunwu.jobs.budgets import BudgetSettings  # torch takes seconds to import
    from dunwu.jobs.causal import CausalSettings
    from dunwu.jobs.lab_experiments import Experiments, run_experiments

    asked = Experiments(
        CausalSettings(options.samples, options.completions, options.seed) if options.causal else None,
        BudgetSettings(options.grid, options.problems) if options.budgets else None,
        options.phases,
        options.eval_set,
        options.device,
        options.threads,
    )
    try:
        run_experiments(run, out, asked, ConsoleReporter(Console(stderr=True) if quiet else None))
    except Interrupted:
        show(f"dunwu: to resume: {command_line(['lab', *arguments])}", sys.stderr)
        raise
