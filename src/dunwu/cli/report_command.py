"""`dunwu report`: one self-contained HTML file from a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.errors import RunError


@dataclass(frozen=True)
class ReportOptions:
    """Write report.html of a run, also of one that is still going on."""

    run: tyro.conf.Positional[Path]
    """Run directory."""


def run(arguments: Sequence[str]) -> int:
    """Writes the report and prints its path."""
    options, rest = parse_options(ReportOptions, "report", arguments)
    refuse_rest("report", rest)
    if not options.run.is_dir():
        raise RunError(f"{options.run}: there is no such run directory; check the path")
    from dunwu.analysis.report import write_report

    print(write_report(options.run))
    return 0
