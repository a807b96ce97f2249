"""Filters in sequence, with counts of what each removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dunwu.errors import DataError

Item = TypeVar("Item")
SHOWN = 2
RELAX = "relax it, or use better data or a better model"
REMEDIES = {
    "truncated": "raise sampling.max_tokens, or use a model that comes to an end",
    "not right by the rule verifier": "use a better model, easier problems or more samples, or check template and answer_form",
}
"""What to do if a filter removed most; for all others, `RELAX`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One filter: items before it, items removed, and the first removed ones as examples."""

    name: str
    before: int
    removed: int
    examples: tuple[Any, ...] = ()

    @property
    def after(self) -> int:
        return self.before - self.removed


class Funnel:
    """Counts items as they pass through filters. ``what``: the word for the items in messages."""

    def __init__(self, what: str = "rows") -> None:
        self.what = what
        self.steps: list[Step] = []
        self._section = ""
        self._entered = 0

    def begin(self, section: str, entered: int) -> None:
        """Start ``section`` with ``entered`` items; the empty name is for filters after all sections."""
        self._section = section
        self._entered += entered

    def sift(self, name: str, items: Sequence[Item], keeps: Callable[[Item], bool], show: Callable[[Item], Any] = str) -> list[Item]:
        """The items that the filter keeps, in order."""
        verdicts = [keeps(item) for item in items]
        return self.keep(name, items, verdicts, show)

    def keep(self, name: str, items: Sequence[Item], verdicts: Sequence[bool], show: Callable[[Item], Any] = str) -> list[Item]:
        """The items with a true verdict."""
        removed = [item for item, kept in zip(items, verdicts, strict=True) if not kept]
        full_name = f"{self._section}: {name}" if self._section else name
        self.steps.append(Step(full_name, len(items), len(removed), tuple(map(show, removed[:SHOWN]))))
        return [item for item, kept in zip(items, verdicts, strict=True) if kept]

    def refuse_empty(self, items: Sequence[object]) -> None:
        """Raise ``DataError`` if no items remain, naming the filter that removed most, then the others."""
        if items:
            return
        entered = self._entered or (self.steps[0].before if self.steps else 0)
        if not entered:
            raise DataError(f"there were no {self.what} to start with: check the sources")
        worst, *others = sorted(self.steps, key=lambda step: -step.removed)
        more = "".join(f", {each.name!r} {each.removed}" for each in others if each.removed)
        raise DataError(
            f"the filters removed all {entered} {self.what}; {worst.name!r} removed most,"
            f" {worst.removed} of {worst.before}{more}; {REMEDIES.get(worst.name, RELAX)}"
        )
