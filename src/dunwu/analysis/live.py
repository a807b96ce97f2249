"""Keeps the page of a run up to date while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dunwu.analysis.progress import RELOAD
from dunwu.analysis.report import write_report
from dunwu.process.attempt import attempt
from dunwu.run.directory import RunDirectory

SHARE = 50
"""A page is written again after this many times the seconds that writing took, so that at most 2 % of the time goes into pages."""


@contextmanager
def live_page(run: RunDirectory) -> Iterator[Callable[[int, object], None]]:
    """A function to call between steps (`dunwu.trainers.train_loop.Between`), which rewrites the run's page if it is old enough.

    If the run does not finish, its last page says that it has stopped. A page that cannot be written is a warning, once.
    """
    page = _Page(run)
    try:
        yield page.update
    finally:
        if not run.finished:
            page.write(ended=True)


class _Page:
    def __init__(self, run: RunDirectory) -> None:
        self._run, self._due, self._failed = run, 0.0, False

    def update(self, step: int, show: object) -> None:
        if time.monotonic() >= self._due:
            self.write()

    def write(self, ended: bool = False) -> None:
        if self._failed:
            return
        began = time.monotonic()
        attempt(lambda: str(write_report(self._run.path, ended=ended)), self._fail)
        self._due = time.monotonic() + max(RELOAD, SHARE * (time.monotonic() - began))

    def _fail(self, reason: str) -> str:
        self._failed = True
        self._run.reporter.warn(f"the page of this run cannot be written ({reason}); training continues")
        return ""
