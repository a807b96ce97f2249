"""A reporter that keeps what it receives."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dunwu.run.reporter import Advance, Reporter


class Recorder(Reporter):
    """``events`` in their order: (name of the method, what it was called with)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def say(self, text: str) -> None:
        self.events.append(("say", text))

    def warn(self, text: str) -> None:
        self.events.append(("warn", text))

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        self.events.append(("facts", dict(facts)))

    def sample(self, title: str, text: str) -> None:
        self.events.append(("sample", (title, text)))

    def table(self, table: Any) -> None:
        self.events.append(("table", table))

    @contextmanager
    def progress(self, total: int, description: str, start: int = 0) -> Iterator[Advance]:
        self.events.append(("progress", (description, start, total)))
        yield lambda step, metrics: self.events.append(("step", (step, dict(metrics))))

    @contextmanager
    def live(self, draw: Callable[[], object]) -> Iterator[None]:
        self.events.append(("live", None))
        yield
        draw()
        self.events.append(("ended", None))

    def names(self) -> list[str]:
        """The methods in their order, each once where it was called several times in a row."""
        names = [name for name, _ in self.events]
        return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]

    def of(self, name: str) -> list[Any]:
        """What one method was called with."""
        return [value for kind, value in self.events if kind == name]
