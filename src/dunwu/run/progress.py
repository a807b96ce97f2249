"""Progress with an ETA: a bar on a terminal, a plain line now and then elsewhere; and sample completions, printed safely."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping
from types import TracebackType

import rich
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.rule import Rule
from rich.text import Text

Field = float | int | str | None
SAMPLE_CHARACTERS = 2000


class Progress:
    """Progress of a loop of ``total`` steps that begins after step ``start``.

    ``advance(step, fields)`` says that ``step`` is done. Without a terminal a line is printed at the first call, at the last,
    and at most every ``interval`` seconds between.
    """

    def __init__(
        self, total: int, description: str, start: int = 0, interval: float = 15.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._description = description
        self._start = start
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._printed: float | None = None
        self._bar: RichProgress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Progress:
        self._began = self._clock()
        console = rich.get_console()
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[line]}", markup=False),
            )
            self._bar = RichProgress(*columns, console=console)
            self._task = self._bar.add_task(self._description, total=self._total, completed=self._start, line="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, step: int, fields: Mapping[str, Field] | None = None) -> None:
        """Report ``step`` as done, with the key metrics of the moment."""
        now = self._clock()
        line = f"eta {duration(eta(step - self._start, self._total - self._start, now - self._began))}"
        for name, value in (fields or {}).items():
            line += f"  {name} {_show(value)}"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, line=line)
        elif self._printed is None or step >= self._total or now - self._printed >= self._interval:
            self._printed = now
            _print(rich.get_console(), Text(clean(f"{self._description} {step}/{self._total}  {line}")))


def eta(done: int, total: int, elapsed: float) -> float | None:
    """Seconds left after ``done`` of ``total`` steps in ``elapsed``: ``elapsed / done * (total - done)``; ``None`` if ``done`` is 0.

    Count both from where this process began, so that steps made before a resume don't make it look fast.
    """
    if total <= done:
        return 0.0
    return elapsed / done * (total - done) if done > 0 else None


def duration(seconds: float | None) -> str:
    """``45s``, ``3m20s``, ``2h05m``; ``?`` where unknown."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def print_sample(title: str, text: str) -> None:
    """Print what a model wrote: markup stays text, control characters are left out, all beyond 2,000 characters is counted only."""
    console = rich.get_console()
    shown = clean(text[:SAMPLE_CHARACTERS])
    if len(text) > SAMPLE_CHARACTERS:
        shown += f" ... ({len(text) - SAMPLE_CHARACTERS} characters more)"
    console.print(Rule(Text(_encodable(console, clean(title))), align="left", characters="-"))
    _print(console, Text(shown))


def clean(text: str) -> str:
    """``text`` without what can steer a terminal: control and format characters (newline and tab stay), lone surrogates."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"))


def _print(console: Console, text: Text) -> None:
    console.print(Text(_encodable(console, text.plain)), soft_wrap=True, highlight=False)


def _encodable(console: Console, text: str) -> str:
    """``text`` with question marks for what the terminal's encoding lacks."""
    return text.encode(console.encoding, errors="replace").decode(console.encoding)


def _show(value: Field) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
