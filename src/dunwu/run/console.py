"""The reporter of the command line: text on stdout, warnings on stderr, bars and live tables on a terminal.

Everything is printed as plain text: markup is not interpreted, control characters are removed, and characters that the output encoding
lacks become question marks.
"""

from __future__ import annotations

import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import rich
from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import Progress
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dunwu.run.progress import Bar, pieces
from dunwu.run.reporter import SAMPLE_CHARACTERS, Advance, Field, Reporter, clean, eta
from dunwu.text.translate import translate

LABEL = 12
WIDEST = 100
_WIDE = re.compile(r"[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]")
_MARK = "（）《》「」，。；：、！？\0"
_PIECE = re.compile(
    rf"(?:[（《「]\0)*(?:(?:[^{_MARK}]\0?){{0,200}}/(?:[^{_MARK}]\0?){{0,200}}|[^\0]\0|(?:[^\0](?!\0))+)(?:[，。；：、）》」！？]\0)*"
)
"""A path, a word, or one wide character, with the punctuation that may not be parted from it."""
INTERVAL = 15.0
"""Seconds between two progress lines if there is no bar."""


class ConsoleReporter(Reporter):
    """Prints to ``console``, by default that of this process, and warnings to stderr."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or rich.get_console()
        self._clock = clock

    def say(self, text: str) -> None:
        """Print ``text``; on a terminal long lines are wrapped between words."""
        self._say(self._ours(text))

    def _say(self, text: str) -> None:
        text = clean(text)
        self._print("\n".join(map(self._fold, text.split("\n"))) if self._console.is_terminal else text)

    def warn(self, text: str) -> None:
        # No separate console: rich prints what goes to sys.stderr above a bar or live table.
        line = translate(text, encoding=sys.stderr.encoding)
        print(_encodable(clean(line), sys.stderr.encoding), file=sys.stderr, flush=True)

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Print two columns, values wrapped. Paths are never broken, so that they can be copied."""
        for name, value in facts:
            first = "  " + set_cell_size(self._ours(name, label=True), LABEL) if name else ""
            lines = wrapped(clean(self._ours(value)), min(WIDEST, self._console.width) - cell_len(first)) or [""]
            self._print(("\n" + " " * cell_len(first)).join([first + lines[0], *lines[1:]]))

    def sample(self, title: str, text: str) -> None:
        """Print the text below a rule with the title; characters beyond 2,000 are only counted."""
        more = f" ... ({len(text) - SAMPLE_CHARACTERS} characters more)" if len(text) > SAMPLE_CHARACTERS else ""
        *lines, last = wrapped(clean(translate(title, encoding=self._console.encoding, title=True)), self._console.width - 4) or [""]
        self._print("\n".join(lines)) if lines else None
        self._console.print(Rule(self._safe(last), align="left", characters="-"))
        self._say(text[:SAMPLE_CHARACTERS] + self._ours(more))

    def table(self, table: Table) -> None:
        for column in table.columns:
            column.header = self._ours(column.header, label=True) if isinstance(column.header, str) else column.header
            column.overflow = "fold"  # a word that is too long is broken, not cut
            column._cells = [self._ours(cell) if isinstance(cell, str) else cell for cell in column._cells]
        self._console.print(table)

    @contextmanager
    def progress(self, total: int, description: str, start: int = 0) -> Iterator[Advance]:
        """A bar on a terminal; otherwise a line at the first step, the last, and at most every `INTERVAL` seconds in between."""
        began, printed = self._clock(), -INTERVAL

        def shown(step: int, metrics: Mapping[str, Field]) -> list[str]:
            return [self._ours(piece) for piece in pieces(eta(step - start, total - start, self._clock() - began), metrics)]

        def print_line(step: int, metrics: Mapping[str, Field]) -> None:
            nonlocal printed
            if step >= total or self._clock() - printed >= INTERVAL:
                printed = self._clock()
                self.say("  ".join([f"{description} {step}/{total}", *shown(step, metrics)]))

        if not self._animated:
            yield print_line
            return
        bar = Bar(lambda text: _encodable(text, self._console.encoding))
        with Progress(bar, console=self._console, expand=True) as progress:
            task = progress.add_task(self._ours(description, label=True), total=total, completed=start, pieces=[])
            yield lambda step, metrics: progress.update(task, completed=step, pieces=shown(step, metrics))

    def live(self, draw: Callable[[], RenderableType]) -> AbstractContextManager[object]:
        if not self._animated:
            return nullcontext()
        return Live(console=self._console, get_renderable=draw, refresh_per_second=1.0)

    @property
    def _animated(self) -> bool:
        """Whether a line can be drawn again; a dumb terminal cannot."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def _fold(self, line: str) -> str:
        return line if cell_len(line) <= self._console.width else "\n".join(wrapped(line, self._console.width))

    def _ours(self, text: str, *, label: bool = False) -> str:
        return translate(text, encoding=self._console.encoding, label=label)

    def _print(self, text: str) -> None:
        self._console.print(self._safe(text), soft_wrap=True, highlight=False)

    def _safe(self, text: str) -> Text:
        return Text(_encodable(clean(text), self._console.encoding))


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` columns, broken at spaces and between Chinese characters, never inside a word or path."""
    wrapper = _Wrapper(max(1, width), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", "") for line in wrapper.wrap(_WIDE.sub("\\g<0>\0", text))]


class _Wrapper(textwrap.TextWrapper):
    """Counts a wide character, which has a NUL behind it, as two columns."""

    def _split(self, text: str) -> list[str]:
        words = super()._split(text)
        return [piece for word in words for piece in _PIECE.findall(word)]


def _encodable(text: str, encoding: str | None) -> str:
    """``text`` with question marks for characters that the encoding lacks."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)
