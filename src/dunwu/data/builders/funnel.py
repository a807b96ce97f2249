"""Filters in a row, and how many each of them took away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dunwu.errors import DataError

Item = TypeVar("Item")
SHOWN = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One filter: how many items came to it, how many it removed, and the first of those as a reader is shown them."""

    name: str
    before: int
    removed: int
    examples: tuple[Any, ...] = ()

    @property
    def after(self) -> int:
        return self.before - self.removed


class Funnel:
    """Counts as items pass through. ``what`` they are called in a message."""

    def __init__(self, what: str = "rows") -> None:
        self.what = what
        self.steps: list[Step] = []
        self._section = ""
        self._entered = 0

    def begin(self, section: str, entered: int) -> None:
        """From here on filters are those of ``section``, into which so many items go; the empty one is what follows all of them."""
        self._section = section
        self._entered += entered

    def sift(self, name: str, items: Sequence[Item], keeps: Callable[[Item], bool], show: Callable[[Item], Any] = str) -> list[Item]:
        """The items that the filter keeps, in their order."""
        verdicts = [keeps(item) for item in items]
        return self.keep(name, items, verdicts, show)

    def keep(self, name: str, items: Sequence[Item], verdicts: Sequence[bool], show: Callable[[Item], Any] = str) -> list[Item]:
        """The items with a true verdict."""
        removed = [item for item, kept in zip(items, verdicts, strict=True) if not kept]
        told = f"{self._section}: {name}" if self._section else name
        self.steps.append(Step(told, len(items), len(removed), tuple(map(show, removed[:SHOWN]))))
        return [item for item, kept in zip(items, verdicts, strict=True) if kept]

    def refuse_empty(self, items: Sequence[object]) -> None:
        """Raise ``DataError`` where nothing is left, naming the filter that removed most."""
        if items:
            return
        entered = self._entered or (self.steps[0].before if self.steps else 0)
        if not entered:
            raise DataError(f"there were no {self.what} to begin with: look at the sources")
        worst = max(self.steps, key=lambda step: step.removed)
        raise DataError(
            f"nothing is left of {entered} {self.what}: the filter {worst.name!r} removed most,"
            f" {worst.removed} of {worst.before}; loosen it, or give better data or a better model"
        )
