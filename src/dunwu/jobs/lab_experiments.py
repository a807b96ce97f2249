"""`dunwu lab RUN --causal --budgets`: the experiments of the laboratory that need the model, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dunwu.jobs.budgets import BudgetSettings, run_budgets
from dunwu.jobs.causal import CausalSettings, run_causal
from dunwu.jobs.lab_evaluations import phases_of
from dunwu.jobs.lab_source import Source, open_source, record
from dunwu.jobs.stopping import stopping_at_once
from dunwu.run.reporter import QUIET, Reporter


@dataclass(frozen=True)
class Experiments:
    """What is made: ``None`` is not. ``phases``: none stands for before and after training, as far as both were measured."""

    causal: CausalSettings | None = None
    budgets: BudgetSettings | None = None
    phases: tuple[str, ...] = ()
    eval_set: str | None = None
    device: str = "auto"
    threads: int = 0


@stopping_at_once()
def run_experiments(run: Path, out: Path, asked: Experiments, reporter: Reporter = QUIET) -> None:
    """Make them, and record their figures in ``out/lab``. What was sampled before is read."""
    for phase in asked.phases or phases_of(run, asked.eval_set):
        with open_source(run, phase, asked.eval_set, asked.device, asked.threads, reporter) as source:
            _experiment(source, phase, out, asked, reporter)


def _experiment(source: Source, phase: str, out: Path, asked: Experiments, reporter: Reporter) -> None:
    name, of = source.result.name, {"evaluation": source.file_hash}
    if asked.causal is not None:
        most, k = asked.causal.completions, asked.causal.samples
        reporter.say(f"{phase}: {name}: causal check of at most {most} reflections, {k} samples each")
        record(out, "causal", name, phase, {**of, **run_causal(source, asked.causal, out, reporter)})
    if asked.budgets is not None:
        reporter.say(f"{phase}: {name}: answers of at most {asked.budgets.problems} problems after n tokens of thought")
        record(out, "budgets", name, phase, {**of, **run_budgets(source, asked.budgets, out, reporter)})
