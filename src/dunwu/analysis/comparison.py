"""Several runs on one page: the differences between their configurations, and their curves in shared plots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dunwu.analysis import sentences
from dunwu.analysis.bins import read_clock
from dunwu.analysis.cost import NO_PRICES, Prices, cost_table, run_spent
from dunwu.analysis.curves import Curve, curve, number
from dunwu.analysis.figures import PlotFigure, bin_size
from dunwu.analysis.interactive import interactive, policy
from dunwu.analysis.plots import Series, line_plot
from dunwu.analysis.report import fill_template, write_page
from dunwu.analysis.rundir import Run, read_run
from dunwu.analysis.sections import Table
from dunwu.analysis.sentences import percent
from dunwu.errors import UserError

COMPARISON = "comparison.html"
MOST_RUNS = 4
"""Colours can distinguish no more."""
LONGEST = 40
"""Maximum length of a value in the table of differences, in characters."""
METRICS = {
    "reward": ("Reward", "reward", False),
    "rewards/accuracy": ("Accuracy", "share of rollouts", True),
    "rewards/format": ("Format", "share of rollouts", True),
    "completions/mean_length": ("Length", "tokens", False),
    "thinking_length": ("Thinking", "tokens", False),
    "reflections_per_completion": ("Reflective words", "words per completion", False),
    "entropy": ("Entropy", "nats per token", False),
    "kl": ("KL to the reference", "nats per token", False),
}
"""Title, unit, and whether it is a share; other reward parts follow."""


def write_comparison(folders: Sequence[Path], path: Path, prices: Prices = NO_PRICES) -> Path:
    """Write the page of the runs in ``folders`` and return its path. Raises ``UserError`` for too many or equally named runs."""
    names = [folder.resolve().name for folder in folders]
    if len(folders) > MOST_RUNS:
        raise UserError(f"{len(folders)} runs are too many for one page: give at most {MOST_RUNS}")
    if double := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"two runs are named {double}: rename one of the folders")
    return write_page(path, render(dict(zip(names, map(read_run, folders), strict=True)), prices))


def render(runs: dict[str, Run], prices: Prices = NO_PRICES) -> str:
    """The page of the named runs."""
    missing = tuple(f"{name}: {line}" for name, run in runs.items() for line in run.missing)
    facts = [(name, _result(run)) for name, run in runs.items()]
    training, live = interactive(comparison_figures(runs), {name: read_clock(run.metrics.rows) for name, run in runs.items()})
    spent = {name: found for name, run in runs.items() if (found := run_spent(run))}
    return fill_template(
        brand="Dunwu 顿悟 · comparison of runs",
        title=" · ".join(runs),
        facts=facts,
        missing=missing,
        differences=differences(runs),
        training=training,
        bins=bin_size(training),
        live=live,
        policy=policy(live),
        cost=cost_table(spent, prices),
    )


def differences(runs: dict[str, Run]) -> Table | None:
    """The configuration keys whose values differ between the runs."""
    flat = {name: dict(_leaves(run.config)) for name, run in runs.items()}
    keys = list(dict.fromkeys(key for facts in flat.values() for key in facts))
    rows = [(key, *(facts.get(key, "–") for facts in flat.values())) for key in keys]
    different = tuple(row for row in rows if len(set(row[1:])) > 1)
    return Table(("", *runs), different) if different else None


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Keys as on the command line (``reward.2.weight``), each with its value as short text."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in items:
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    else:
        text = "null" if value is None else str(value)
        yield key, text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def comparison_figures(runs: dict[str, Run]) -> list[PlotFigure]:
    """One figure per metric that any run has, with one line per run."""
    seen = dict.fromkeys(key for run in runs.values() for row in run.metrics.rows for key in row)
    parts = [key for key in seen if re.fullmatch(r"rewards/[^/]+", key) and key not in METRICS]
    shown = METRICS | {key: (f"Reward part: {key.removeprefix('rewards/')}", "mean over rollouts", False) for key in parts}
    return [
        _figure(title, unit, share, {name: curve(run.metrics.rows, key) for name, run in runs.items()})
        for key, (title, unit, share) in shown.items()
        if key in seen
    ]


def _figure(title: str, unit: str, share: bool, curves: dict[str, Curve]) -> PlotFigure:
    series = [Series(name, found) for name, found in curves.items() if found]
    slug = re.sub(r"[^a-z]+", "-", title.lower())
    text = " ".join(sentences.change(name, found) for name, found in curves.items())
    svg = line_plot(slug, title, series, unit, share=share) if series else None
    return PlotFigure(title, svg, text, series, unit, share)


def _result(run: Run) -> str:
    """Held-out pass@1 of the first set, before and after training."""
    for held_out in run.sets[:1]:
        found = [number(held_out.summaries.get(phase, {}).get("pass_at_1")) for phase in sentences.PHASES]
        what = f"({held_out.name}, held-out pass@1{'' if found[1] is not None else ', before training'})"
        return f"{' → '.join(percent(value) for value in found if value is not None)} {what}"
    return "not evaluated"
