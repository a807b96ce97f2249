"""`dunwu report`: one self-contained HTML file for a run directory, or for several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from dunwu.analysis.cost import read_prices
from dunwu.analysis.rundir import check_run
from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_file
from dunwu.errors import RunError
from dunwu.models.bundled import run_above
from dunwu.run.step_manifest import folder_step


@dataclass(frozen=True)
class ReportOptions:
    """Write report.html for a run, also while it is in progress; for several runs, a page with their curves in the same plots.

    For a pipeline it writes the page of its stages; for several pipelines, their stages side by side and their common table."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directory (or a checkpoint in it), or several to compare."""
    out: Path | None = None
    """Path of the page; by default inside the run directory, or comparison.html in the current folder for several runs."""
    price_per_hour: float | None = None
    """Price of an hour of the machine of the run, in any currency: the report then has the cost in money."""
    alternative: tuple[str, ...] = ()
    """Other machines to compare the cost with, as NAME:PRICE:TFLOPS: price per hour, and 10^12 FLOPs a second on this work."""
    price_per_million: float | None = None
    """Price of a million generated tokens at an endpoint, to compare the cost with."""


def run(arguments: Sequence[str]) -> int:
    """Writes the report and prints its path."""
    options, rest = parse_options(ReportOptions, "report", arguments)
    refuse_rest("report", rest)
    if not options.runs:
        raise RunError("report: name at least one run; see dunwu report --help")
    for folder in options.runs:
        if not folder.is_dir():
            raise RunError(f"{folder}: run directory not found; check the path")
    read_prices(options.price_per_hour, options.price_per_million, options.alternative)
    if options.out is not None:
        check_file(options.out)
    runs = tuple(folder.parents[1] if folder_step(folder) is not None and run_above(folder) else folder for folder in options.runs)
    print(_write(replace(options, runs=runs)))
    return 0


def _write(options: ReportOptions) -> Path:
    """Writes the page of one or more pipelines, the report of one run, or a comparison of several."""
    from dunwu.evaluation.stage_table import tables_in

    first, prices = options.runs[0], read_prices(options.price_per_hour, options.price_per_million, options.alternative)
    if all(map(tables_in, options.runs)) or any(map(_is_pipeline, options.runs)):
        from dunwu.analysis.stage_table import PAGE, write_stage_page
        from dunwu.pipeline.journal import read_journal

        for folder in options.runs:
            read_journal(folder)  # a corrupt one is refused: it would show finished stages as waiting

        return write_stage_page(options.runs, options.out or (first / PAGE if len(options.runs) == 1 else Path(PAGE)), prices)
    for folder in options.runs:
        check_run(folder)
    if len(options.runs) == 1:
        from dunwu.analysis.report import write_report

        return write_report(first, options.out, prices=prices)
    from dunwu.analysis.comparison import COMPARISON, write_comparison

    return write_comparison(options.runs, options.out or Path(COMPARISON), prices)


def _is_pipeline(folder: Path) -> bool:
    """Whether a pipeline was run there; a recipe alone does not count."""
    from dunwu.analysis.pipeline_run import read_pipeline_run

    begun = (folder / "progress.json").is_file() or (folder / "stages").is_dir()
    return begun and read_pipeline_run(folder) is not None
