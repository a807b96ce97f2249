"""Curves over training steps, read from ``metrics.jsonl``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

Row = Mapping[str, Any]


def number(value: Any) -> float | None:
    """``value`` as a finite float; ``None`` for anything else (absent, text, NaN, a bool)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


@dataclass(frozen=True)
class Metrics:
    """The steps of a run in order, and the number of unreadable lines (a kill cuts the last one short)."""

    rows: tuple[Row, ...] = ()
    unreadable: int = 0


def read_metrics(path: Path) -> Metrics:
    """Read ``metrics.jsonl``. If a step was written twice (a resume), the later row counts; a missing file is an empty run."""
    if not path.is_file():
        return Metrics()
    by_step: dict[int, Row] = {}
    unreadable = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        row = _parse(line)
        step = number(row.get("step"))
        if step is None:
            unreadable += bool(line.strip())
        else:
            by_step[int(step)] = row
    return Metrics(tuple(by_step[step] for step in sorted(by_step)), unreadable)


def is_step(line: bytes) -> bool:
    """True if a line of ``metrics.jsonl`` holds a step."""
    return number(_parse(line.decode(errors="replace")).get("step")) is not None


def _parse(line: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


@dataclass(frozen=True)
class Curve:
    """The finite values of one metric; ``first`` and ``last`` are means over a tenth of them (one to ten values)."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def window(self) -> int:
        """How many values ``first`` and ``last`` average."""
        return min(10, max(1, len(self.values) // 10))

    @property
    def first(self) -> float:
        """Mean of the first tenth."""
        return fmean(self.values[: self.window])

    @property
    def last(self) -> float:
        """Mean of the last tenth."""
        return fmean(self.values[-self.window :])


def curve(rows: Sequence[Row], key: str) -> Curve:
    """The metric ``key`` over the steps that have it."""
    found = [(int(row["step"]), value) for row in rows if (value := number(row.get(key))) is not None]
    return Curve(tuple(step for step, _ in found), tuple(value for _, value in found))


def smoothed(values: Sequence[float], width: int) -> list[float]:
    """Centred moving average over up to ``width`` values; windows shrink at the ends."""
    half = width // 2
    return [fmean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
