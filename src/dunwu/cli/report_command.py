"""`dunwu report`: one self-contained HTML file from a run directory, or from several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.errors import RunError


@dataclass(frozen=True)
class ReportOptions:
    """Write report.html of a run, also of one that is still going on; with several runs, a page that lays their curves over each other."""

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
    if len(options.runs) == 1:
        from dunwu.analysis.report import write_report

        print(write_report(options.runs[0]))
    else:
        from dunwu.analysis.comparison import COMPARISON, write_comparison

        print(write_comparison(options.runs, options.out or Path(COMPARISON)))
    return 0
