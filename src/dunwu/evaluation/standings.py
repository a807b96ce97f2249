"""The standings of a contest: its participants, with their ratings before it, and points and penalty or rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dunwu.errors import DataError
from dunwu.evaluation.contest_files import COLUMNS, refuse_misspelt, refuse_other_kind
from dunwu.evaluation.elo import HIGHEST, LOWEST, ranks_of
from dunwu.tasks.rows import Row, local_rows

Key = tuple[float, float]
"""What ranks a participant: the smaller, the better."""


@dataclass(frozen=True)
class Participant:
    """One row of standings; ``rank`` where it is given, else the key decides."""

    name: str | int
    rating: int
    points: float | None
    penalty: float
    rank: int | None


def read_standings(path: Path, penalty_counts: bool = True) -> list[Participant]:
    """The participants of a file with the columns ``participant``, ``rating_before``, and ``points`` and ``penalty`` or ``rank``."""
    refuse_other_kind(path, "standings")
    if path.is_dir():
        raise DataError(f"{path} is a folder: give the file of one contest")
    rows, found = local_rows(path), dict[str | int, Participant]()
    for row in rows:
        each = _participant(row)
        if each.name in found:
            raise DataError(f"{row.where}: participant {each.name!r} is there twice: keep one of the rows")
        found[each.name] = each
    if penalty_counts:
        refuse_unread_penalty(rows, list(found.values()))
    return list(found.values())


def standing_ranks(participants: Sequence[Participant], path: Path) -> NDArray[np.int64]:
    """Ranks among these participants, equals with the best rank of their group; given ranks go before points.

    Raises ``DataError`` if some have no rank and some no points.
    """
    if all(each.rank is not None for each in participants):
        return ranks_of([(float(each.rank or 0),) for each in participants])
    return ranks_of(keys_of(participants, path, "give points to all, or a rank to all"))


def keys_of(participants: Sequence[Participant], path: Path, remedy: str) -> list[Key]:
    """By points, then by penalty. Raises ``DataError`` with the remedy if a participant has no points."""
    if (without := next((each for each in participants if each.points is None), None)) is not None:
        raise DataError(f"{path}: participant {without.name!r} has no points: {remedy}")
    return [(-(each.points or 0.0), each.penalty) for each in participants]


def refuse_unread_penalty(rows: Sequence[Row], participants: Sequence[Participant]) -> None:
    """Raise ``DataError`` if points tie, nothing tells the equals apart, and a column `time` might.

    A column that is nearly `penalty` is refused in any case (`dunwu.tasks.near_names`).
    """
    points = [each.points for each in participants]
    columns = set().union(*(row.columns for row in rows))
    if len(set(points)) < len(points) and not {"penalty", "rank"} & columns and "time" in columns:
        raise DataError(
            f"{rows[0].where}: participants have equal points, and there is a column time but no penalty: rename it to penalty, or add"
            " penalty 0 to each row, which ranks equal points alike"
        )


def _participant(row: Row) -> Participant:
    # Points are needed only without a rank: per-problem columns beside a rank may look like them.
    refuse_misspelt(row, [name for name in COLUMNS["standings"] if name != "points" or row.columns.get("rank") in (None, "")])
    name = row.columns.get("participant")
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise DataError(f"{row.where}: participant is {name!r}: give a name or a number")
    rating = number(row, "rating_before", LOWEST, HIGHEST, whole=True)
    rank, points = number(row, "rank", 1, whole=True), number(row, "points")
    if rating is None:
        raise DataError(f"{row.where}: no rating_before: give the rating before the contest")
    if rank is None and points is None:
        raise DataError(f"{row.where}: neither points nor rank: give one of them")
    return Participant(name, int(rating), points, number(row, "penalty") or 0.0, None if rank is None else int(rank))


def number(row: Row, column: str, low: float = -1e12, high: float = 1e12, whole: bool = False) -> float | None:
    """The number in a column, as text too (CSV); ``None`` if there is none."""
    value = row.columns.get(column)
    if value is None or value == "":
        return None
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not low <= found <= high or (whole and found != int(found)):
        kind = "a whole number" if whole else "a number"
        raise DataError(f"{row.where}: {column} is {value!r}: give {kind} from {low:g} to {high:g}")
    return found
