"""`dunwu report`: one self-contained HTML file from a run directory, or from several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.analysis.rundir import check_run
from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_file
from dunwu.errors import RunError


@dataclass(frozen=True)
class ReportOptions:
    """Write report.html of a run, also of one that is still going on; with several runs, a page that lays their curves over each other.

    A run of a pipeline gives the page of its stages; several with a stage `stage_table` give their table together."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directory, or several to compare."""
    out: Path | None = None
    """Where the page goes; by default it lies in the run, and a comparison is comparison.html in the folder you are in."""


def run(arguments: Sequence[str]) -> int:
    """Writes the report and prints its path."""
    options, rest = parse_options(ReportOptions, "report", arguments)
    refuse_rest("report", rest)
    if not options.runs:
        raise RunError("report: no run is named; see dunwu report --help")
    for folder in options.runs:
        if not folder.is_dir():
            raise RunError(f"{folder}: there is no such run directory; check the path")
    if options.out is not None:
        check_file(options.out)
    print(_write(options))
    return 0


def _write(options: ReportOptions) -> Path:
    """The page of a pipeline's run, or of several that have a table of stages; else the report of the one run, or a comparison."""
    from dunwu.evaluation.stage_table import tables_in

    first = options.runs[0]
    if all(map(tables_in, options.runs)) or any(map(_is_pipeline, options.runs)):
        from dunwu.analysis.stage_table import PAGE, write_stage_page
        from dunwu.pipeline.journal import read_journal

        for folder in options.runs:
            read_journal(folder)  # a damaged one is refused: it would show finished stages as waiting

        return write_stage_page(options.runs, options.out or (first / PAGE if len(options.runs) == 1 else Path(PAGE)))
    for folder in options.runs:
        check_run(folder)
    if len(options.runs) == 1:
        from dunwu.analysis.report import write_report

        return write_report(first, options.out)
    from dunwu.analysis.comparison import COMPARISON, write_comparison

    return write_comparison(options.runs, options.out or Path(COMPARISON))


def _is_pipeline(folder: Path) -> bool:
    """Whether a pipeline was run there; a recipe alone is none."""
    from dunwu.analysis.pipeline_run import read_pipeline_run

    begun = (folder / "progress.json").is_file() or (folder / "stages").is_dir()
    return begun and read_pipeline_run(folder) is not None
