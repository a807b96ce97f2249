"""Where the messages of a run go: nowhere, to the terminal (`dunwu.run.console`), or to a custom class. Imports no torch.

Every function that runs something takes a ``reporter``, passes it on, and prints nothing itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Field = float | int | str | None
Advance = Callable[[int, Mapping[str, Field]], None]
"""Called with a finished step and the metrics to show beside it."""

SAMPLE_CHARACTERS = 2000


class Reporter:
    """Receives the messages of a run. This class drops them; a subclass overrides the methods it needs.

    Texts may contain output of models or users: control characters, markup, anything.
    """

    def say(self, text: str) -> None:
        """A message about progress or findings; one or more lines."""

    def warn(self, text: str) -> None:
        """A problem that the user should look at although the run continues."""

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Names and values. An empty name marks a sentence about all of them."""

    def sample(self, title: str, text: str) -> None:
        """A text written by a model."""

    def table(self, table: Table) -> None:
        """Figures as a `rich` table."""

    def progress(self, total: int, description: str, start: int = 0) -> AbstractContextManager[Advance]:
        """A context for a loop over the steps after ``start`` up to ``total``, which calls ``advance(step, metrics)`` after each step."""
        return nullcontext(lambda step, metrics: None)

    def live(self, draw: Callable[[], RenderableType]) -> AbstractContextManager[object]:
        """A context in which the result of ``draw`` may stay in view below all other output, redrawn repeatedly."""
        return nullcontext()


QUIET = Reporter()


def eta(done: int, total: int, elapsed: float) -> float | None:
    """Remaining seconds after ``done`` of ``total`` steps in ``elapsed``: ``elapsed / done * (total - done)``; ``None`` if ``done`` is 0.

    Count both from the start of this process, so that steps before a resume do not make it look fast.
    """
    if total <= done:
        return 0.0
    return elapsed / done * (total - done) if done > 0 else None


def duration(seconds: float | None) -> str:
    """``45s``, ``3m20s``, ``2h05m``; ``?`` if unknown."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def clean(text: str) -> str:
    """``text`` without characters that control a terminal: control and format characters (newline and tab stay), lone surrogates."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"))
