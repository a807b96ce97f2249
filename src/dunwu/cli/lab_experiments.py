"""The experiments of `dunwu lab` that need the model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from rich.console import Console

from dunwu.cli.show import show
from dunwu.cli.training import command_line
from dunwu.errors import Interrupted, UserError
from dunwu.pipeline.saved_checkpoints import saved_checkpoints
from dunwu.run.console import ConsoleReporter


class ExperimentOptions(Protocol):
    """Their options."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

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
    @property
    def probes(self) -> bool: ...
    @property
    def probe_suite(self) -> Path | None: ...


_BOTH = ("causal", "budgets")
_USED_BY = {
    "phases": _BOTH,
    "eval_set": _BOTH,
    "samples": ("causal",),
    "completions": ("causal",),
    "problems": ("budgets",),
    "grid": ("budgets",),
    "seed": ("causal",),
    "device": (*_BOTH, "probes"),
    "threads": (*_BOTH, "probes"),
    "probe_suite": ("probes",),
}
"""The options of experiments, and which experiments use them."""


def refuse_unused(options: ExperimentOptions) -> None:
    """Raise ``UserError`` for the first option that differs from its default and that no experiment which was asked for uses."""
    defaults = {field.name: field.default for field in fields(options)}
    for name, experiments in _USED_BY.items():
        if getattr(options, name) != defaults[name] and not any(getattr(options, each) for each in experiments):
            needed = " or ".join(f"--{each}" for each in experiments)
            raise UserError(f"lab: --{name.replace('_', '-')} is only for {needed}: add it, or leave the option out")


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
    reporter = ConsoleReporter(Console(stderr=True) if quiet else None)
    try:
        if options.probes:
            from dunwu.jobs.probes import run_probes

            saved = saved_checkpoints(run, reporter)
            run_probes(saved, options.probe_suite, out, options.device, options.threads, reporter)
        if options.causal or options.budgets:
            run_experiments(run, out, asked, reporter)
    except Interrupted:
        show(f"dunwu: to resume: {command_line(['lab', *arguments])}", sys.stderr)
        raise
