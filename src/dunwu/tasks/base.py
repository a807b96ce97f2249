"""Tasks: sources of problems, endless for training and fixed for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import lru_cache
from random import Random
from typing import Literal, Protocol, TypeVar

from dunwu.errors import DataError
from dunwu.text.answer_forms import in_form
from dunwu.types import AnswerForm, Problem, Split

HeldOut = Literal["validation", "test"]
Row = TypeVar("Row")
Made = TypeVar("Made")


class Task(Protocol):
    """A source of problems. Both methods are pure: the same arguments give the same problems, in any process."""

    @property
    def name(self) -> str:
        """The name in metrics and reports."""
        ...

    def train(self, index: int, seed: int) -> Problem:
        """The ``index``-th (from 0) training problem of the endless stream ``seed``."""
        ...

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """At most ``limit`` distinct problems of ``split``; fewer only if the task has no more."""
        ...


class Finite:
    """A task with a finite number of rows, all read when it is made, so that mistakes are found before any is drawn."""

    name: str
    _problems: dict[Split, list[Problem]]
    unreadable: int = 0
    """Rows without a problem or an answer, dropped when the task was made."""
    splits: str = ""
    """Rows by split, how they were split, and what was dropped, in one line."""
    warnings: tuple[str, ...] = ()
    """What the user should look at in the rows."""

    def copies(self, split: Split, problem: Problem) -> int:
        """Number of rows of a split with this problem; only one of them is used."""
        return 1

    def rows(self, split: Split) -> Sequence[Problem]:
        """All problems of a split."""
        return self._problems[split]

    def set_answer_form(self, answer_form: AnswerForm) -> None:
        """Have the answers of all problems in this form."""
        self._problems = {split: [in_form(problem, answer_form) for problem in found] for split, found in self._problems.items()}

    def drop(self, split: Split, ids: Set[str]) -> None:
        """Drop the problems with these ids from a split."""
        if ids:
            self._problems[split] = [problem for problem in self._problems[split] if problem.id not in ids]


def read_rows(rows: Sequence[Row], read: Callable[[Row], Made], drop: bool, name: str) -> tuple[list[Made], int]:
    """The results of ``read`` for all rows, and the number of rows dropped because it raised ``DataError``.

    Raises ``DataError`` for the first refused row unless ``drop``, and if all rows are dropped.
    """
    made: list[Made] = []
    refused: list[DataError] = []
    for row in rows:
        try:
            made.append(read(row))
        except DataError as error:
            if not drop:
                raise DataError(f"{error}, or set the task's `unusable: drop` to drop such rows") from error
            refused.append(error)
    if refused and not made:
        raise DataError(f"all {len(refused)} rows of {name} are dropped; the first: {refused[0]}")
    return made, len(refused)


def permuted(index: int, size: int, seed: int) -> tuple[int, int]:
    """``(epoch, position)`` of the ``index``-th draw from ``size`` items, which are in a new random order each epoch."""
    epoch, offset = divmod(index, size)
    return epoch, _order(size, seed, epoch)[offset]


@lru_cache(maxsize=16)
def _order(size: int, seed: int, epoch: int) -> tuple[int, ...]:
    order = list(range(size))
    Random(f"{seed}-{epoch}-order").shuffle(order)
    return tuple(order)


def drawn(problems: Sequence[Problem], limit: int, key: str) -> list[Problem]:
    """``problems`` in order; if there are more than ``limit``, a random sample of that size, seeded with ``key``."""
    if limit >= len(problems):
        return list(problems)
    chosen = Random(key).sample(range(len(problems)), max(limit, 0))
    return [problems[position] for position in sorted(chosen)]
