"""`dunwu report`: one self-contained HTML file from a run directory, or from several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.errors import RunError

OF_A_RUN = ("manifest.json", "config.yaml", "metrics.jsonl")
"""A folder without any of these was never a run."""


@dataclass(frozen=True)
class ReportOptions:
    """Write report.html of a run, also of one that is still going on; with several runs, a page that lays their curves over each other.

    A run of a pipeline gives the page of its stages; several with a stage `stage_table` give their table together."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directory, or several to compare."""
    out: Path | None = None
    """Where the comparison goes; by default comparison.html in the folder you are in."""


def run(arguments: Sequence[str]) -> int:
    """Writes the report and prints its path."""
    options, rest = parse_options(ReportOptions, "report", arguments)
    refuse_rest("report", rest)
    if not options.runs:
        raise RunError("report: no run is named; see dunwu report --help")
    for folder in options.runs:
        if not folder.is_dir():
            raise RunError(f"{folder}: there is no such run directory; check the path")
    print(_write(options))
    return 0


def _write(options: ReportOptions) -> Path:
    """The page of a pipeline's run, or of several that have a table of stages; else the report of the one run, or a comparison."""
    from dunwu.analysis.pipeline_run import read_pipeline_run
    from dunwu.evaluation.stage_table import tables_in

    first = options.runs[0]
    if all(map(tables_in, options.runs)) or (len(options.runs) == 1 and read_pipeline_run(first)):
        from dunwu.analysis.stage_table import PAGE, write_stage_page

        return write_stage_page(options.runs, options.out or (first / PAGE if len(options.runs) == 1 else Path(PAGE)))
    for folder in options.runs:
        if not any((folder / name).is_file() for name in OF_A_RUN):
            raise RunError(f"{folder} is no run directory (it has none of {', '.join(OF_A_RUN)}); check the path")
    if len(options.runs) == 1:
        from dunwu.analysis.report import write_report

        return write_report(first)
    from dunwu.analysis.comparison import COMPARISON, write_comparison

    return write_comparison(options.runs, options.out or Path(COMPARISON))
