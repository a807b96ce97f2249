"""The reporter of the command line: text on stdout, warnings on stderr, bars and live tables on a terminal.

Everything is printed as plain text: markup is not interpreted, control characters are removed, and characters that the output encoding
lacks become question marks.
"""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import rich
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dunwu.run.reporter import SAMPLE_CHARACTERS, Advance, Field, Reporter, clean, duration, eta

LABEL = 12
WIDEST = 100
INTERVAL = 15.0
"""Seconds between two progress lines if there is no bar."""


class ConsoleReporter(Reporter):
    """Prints to ``console``, by default that of this process, and warnings to stderr."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or rich.get_console()
        self._clock = clock

    def say(self, text: str) -> None:
        self._console.print(self._safe(text), soft_wrap=True, highlight=False)

    def warn(self, text: str) -> None:
        # No separate console: rich prints what goes to sys.stderr above a bar or live table.
        print(_encodable(clean(text), sys.stderr.encoding), file=sys.stderr, flush=True)

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Print two columns, values wrapped. Paths are never broken, so that they can be copied."""
        width = min(WIDEST, self._console.width)
        for name, value in facts:
            first = f"  {name:<{LABEL}}" if name else ""
            wrapped = textwrap.TextWrapper(
                width, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False, break_on_hyphens=False
            )
            self.say("\n".join(wrapped.wrap(clean(value)) or [first]))

    def sample(self, title: str, text: str) -> None:
        """Print the text below a rule with the title; characters beyond 2,000 are only counted."""
        more = f" ... ({len(text) - SAMPLE_CHARACTERS} characters more)" if len(text) > SAMPLE_CHARACTERS else ""
        self._console.print(Rule(self._safe(title), align="left", characters="-"))
        self.say(text[:SAMPLE_CHARACTERS] + more)

    def table(self, table: Table) -> None:
        self._console.print(table)

    @contextmanager
    def progress(self, total: int, description: str, start: int = 0) -> Iterator[Advance]:
        """A bar on a terminal; otherwise a line at the first step, the last, and at most every `INTERVAL` seconds in between."""
        began, printed = self._clock(), -INTERVAL

        def line(step: int, metrics: Mapping[str, Field]) -> str:
            left = duration(eta(step - start, total - start, self._clock() - began))
            return "  ".join([f"eta {left}", *(f"{name} {_show(value)}" for name, value in metrics.items())])

        def print_line(step: int, metrics: Mapping[str, Field]) -> None:
            nonlocal printed
            if step >= total or self._clock() - printed >= INTERVAL:
                printed = self._clock()
                self.say(f"{description} {step}/{total}  {line(step, metrics)}")

        if not self._console.is_terminal:
            yield print_line
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TextColumn("{task.fields[line]}", markup=False), console=self._console) as bar:
            task = bar.add_task(description, total=total, completed=start, line="")
            yield lambda step, metrics: bar.update(task, completed=step, line=line(step, metrics))

    def live(self, draw: Callable[[], RenderableType]) -> AbstractContextManager[object]:
        if not self._console.is_terminal:
            return nullcontext()
        return Live(console=self._console, get_renderable=draw, refresh_per_second=1.0)

    def _safe(self, text: str) -> Text:
        return Text(_encodable(clean(text), self._console.encoding))


def _encodable(text: str, encoding: str | None) -> str:
    """``text`` with question marks for characters that the encoding lacks."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def _show(value: Field) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
