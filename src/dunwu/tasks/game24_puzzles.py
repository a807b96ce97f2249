"""The 1,362 solvable puzzles of the Game of 24, with how people fared.

Source: 4nums.com, through princeton-nlp/tree-of-thought-llm (``src/tot/data/24/24.csv``, MIT).
``game24.csv`` holds its facts in four columns.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

TARGET = 24


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Four numbers from 1 to 13 that make 24. ``rank`` 1 is the easiest for people; ``human_seconds`` is their mean solving time."""

    rank: int
    numbers: tuple[int, ...]
    human_seconds: float
    human_solve_rate: float


@cache
def load_puzzles() -> tuple[Puzzle, ...]:
    """All puzzles in rank order: ``load_puzzles()[0].rank == 1``."""
    table = files("dunwu.tasks").joinpath("game24.csv").read_text(encoding="utf-8")
    return tuple(
        Puzzle(
            rank=int(row["rank"]),
            numbers=tuple(int(number) for number in row["numbers"].split()),
            human_seconds=float(row["human_seconds"]),
            human_solve_rate=float(row["human_solve_rate"]),
        )
        for row in csv.DictReader(table.splitlines())
    )
