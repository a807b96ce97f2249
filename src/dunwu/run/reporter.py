"""What a run says while it works: to nobody, to the terminal (`dunwu.run.console`), or to a class of the user's. Imports no torch.

Every function that runs something takes a ``reporter``, hands it to what it calls, and prints nothing itself.
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
"""Reports a step as done, with the metrics to show beside it."""

SAMPLE_CHARACTERS = 2000


class Reporter:
    """Receives what a run says. This one drops it; a subclass overrides the methods for what it wants to receive.

    Texts may hold what models or users wrote: control characters, markup, anything.
    """

    def say(self, text: str) -> None:
        """What is being done or was found; one line or several."""

    def warn(self, text: str) -> None:
        """What the user should look at although the run continues."""

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Names and values. The name is empty for a sentence about the whole."""

    def sample(self, title: str, text: str) -> None:
        """A text that a model wrote."""

    def table(self, table: Table) -> None:
        """Figures, as a table of `rich`."""

    def progress(self, total: int, description: str, start: int = 0) -> AbstractContextManager[Advance]:
        """A context in which a loop runs from after step ``start`` to step ``total``; ``advance(step, metrics)`` follows each step."""
        return nullcontext(lambda step, metrics: None)

    def live(self, draw: Callable[[], RenderableType]) -> AbstractContextManager[object]:
        """A context in which what ``draw`` returns may stay in view, drawn again and again, beneath everything else."""
        return nullcontext()


QUIET = Reporter()


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


def clean(text: str) -> str:
    """``text`` without what can steer a terminal: control and format characters (newline and tab stay), lone surrogates."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"))
