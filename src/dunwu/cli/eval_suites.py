"""`dunwu eval --suite NAME...`: named suites, each in a folder of its own, with one model; and going on after a stop."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dunwu.cli.show import show
from dunwu.cli.training import command_line
from dunwu.config.suites import suites
from dunwu.errors import UserError
from dunwu.text.translate import translate


def split_names(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of suites, and the overrides that follow them on the command line. Raises `UserError` for a name that is given twice."""
    names, overrides = [word for word in words if "=" not in word], [word for word in words if "=" in word]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--suite {twice} is named twice: name each suite once")
    return names, overrides


def folder_of(name: str) -> str:
    """The name of a suite's folder."""
    return re.sub(r"[^\w.-]", "-", name)


@contextmanager
def resumable(arguments: Sequence[str], out: Path | None) -> Iterator[None]:
    """When it is stopped, prints the command to resume with, if completions are kept."""
    try:
        yield
    except KeyboardInterrupt:
        if out is not None:
            show(f"dunwu: to resume: {command_line(['eval', *arguments])}", sys.stderr)
        raise


def suite_base(name: str, data: Path | None) -> dict[str, Any]:
    """The keys that name a suite and its data."""
    return {"suite": name} if data is None else {"suite": name, "data": str(data)}


def list_of_suites() -> list[str]:
    """One line for each suite: its name, problems, samples and title."""
    lines = [f"  {name:<20}{suite.problems:>7,}{suite.samples:>5}  {suite.title}" for name, suite in suites().items()]
    return [f"  {'suite':<20}{'problems':>7}{'k':>4}", *lines]


def overall(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """pass@1 of each suite on a line, and where answers were cut off, unparsable or too slow."""
    head = f"  {translate('suite'):<20}{'pass@1':>8}{'95 %':>16}{'k':>5}{'n':>7}{translate('cut off'):>10}{translate('unparsable'):>12}"
    return [head, *(_line(name, summary) for name, summary in found.items())]


def _line(name: str, summary: Mapping[str, Any]) -> str:
    low, high = summary["interval"]
    interval = "" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
    value, cut = summary["pass_at_1"], summary["clipped_ratio"]
    shares = [None if cut is None else cut, summary["verdicts"].get("unparsable", 0) / max(1, summary["samples"])]
    cut_off, unparsable = ("-" if share is None else f"{100 * share:.1f} %" for share in shares)
    passed = "-" if value is None else f"{100 * value:.1f} %"
    return f"  {name:<20}{passed:>8}{interval:>16}{summary['k']:>5}{summary['problems']:>7,}{cut_off:>10}{unparsable:>12}"
