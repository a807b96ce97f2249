"""Which completions a page shows: as many as fit into a number of bytes, by a rule without chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dunwu.analysis.browser.tables import CompletionTable
from dunwu.evaluation.result import spread

MOST_STEPS = 16
_PROBLEMS = (64, 48, 40, 32, 28, 24, 20, 16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1)
ALL = 10**9
"""All completions of a problem."""


@dataclass(frozen=True)
class Choice:
    """So many steps, problems a step and completions a problem, all at equal distances; ``rows`` of each table, in its order."""

    steps: int
    problems: int
    members: int
    rows: tuple[tuple[CompletionTable, tuple[int, ...]], ...]

    @property
    def size(self) -> int:
        """Estimated bytes."""
        return sum(table.sizes[row] for table, rows in self.rows for row in rows)


def choose(tables: Sequence[CompletionTable], budget: int) -> Choice:
    """The largest choice that fits into ``budget`` bytes, or the smallest there is.

    Problems become fewer first, then the completions of each, then steps. Those of an eval set are the same in all steps.
    """
    chosen = Choice(0, 0, 0, ())
    for steps, problems, members in _levels():
        chosen = _choice(tables, steps, problems, members)
        if chosen.size <= budget:
            break
    return chosen


def _levels() -> Iterator[tuple[int, int, int]]:
    yield from ((MOST_STEPS, problems, ALL) for problems in _PROBLEMS)
    yield from ((MOST_STEPS, 1, members) for members in (8, 4, 2))
    yield from ((steps, 1, 2) for steps in (8, 4, 2))


def _choice(tables: Sequence[CompletionTable], steps: int, problems: int, members: int) -> Choice:
    kept = evenly(tables, steps)
    common = _common(kept) if kept and kept[0].source else None
    rows = tuple((table, _rows(table, spread(common or list(table.rows), problems), members)) for table in kept)
    return Choice(len(kept), problems, members, rows)


def _common(tables: Sequence[CompletionTable]) -> list[str]:
    """The problems that all tables have, or those of the first: an evaluation during training has a part of the problems."""
    shared = [name for name in tables[0].rows if all(name in table.rows for table in tables)]
    return shared or list(tables[0].rows)


def _rows(table: CompletionTable, names: Sequence[str], members: int) -> tuple[int, ...]:
    return tuple(row for name in names for row in spread(table.rows.get(name, ()), members))


def evenly(tables: Sequence[CompletionTable], most: int) -> list[CompletionTable]:
    """At most ``most`` tables at equal distances, the first and the last among them."""
    count = len(tables)
    return list(tables) if count <= most else [tables[round(i * (count - 1) / (most - 1))] for i in range(most)]
