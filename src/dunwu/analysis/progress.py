"""How far an unfinished run is, for its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from dunwu.analysis.curves import number
from dunwu.analysis.rundir import Run, mapping
from dunwu.run.alive import other_host, running_pid, seconds_left
from dunwu.run.reporter import duration

RELOAD = 30
"""Seconds after which the page of a running run loads itself again."""


@dataclass(frozen=True)
class Progress:
    """The last step, all steps (``None``: unknown) and the seconds left (``None``: unknown) of a run that is not finished."""

    state: Literal["running", "stopped", "unknown"]
    step: int
    steps: int | None
    left: float | None
    host: str = ""

    @property
    def share(self) -> float | None:
        """The share of the steps that are done."""
        return min(1.0, self.step / self.steps) if self.steps else None

    @property
    def sentence(self) -> str:
        """``Step 10 of 30, about 3m20s left.``"""
        total = f" of {self.steps}" if self.steps else ""
        if self.state == "stopped":
            return f"Stopped after step {self.step}{total}: not finished."
        if self.state == "unknown":
            return f"Step {self.step}{total}. It was started on {self.host} and may be running there."
        if self.step == 0:
            return f"Before the first step{total}."
        if self.steps is not None and self.step >= self.steps:
            return f"All {self.steps} steps are done; the last measurements are running."
        return f"Step {self.step}{total}{f', about {duration(self.left)} left' if self.left is not None else ''}."


def read_progress(run: Run, ended: bool = False) -> Progress | None:
    """The progress of a run; ``None`` if it is finished or has no manifest. ``ended``: the process that asks has stopped training."""
    starts = run.manifest.get("starts")
    if run.manifest.get("finished") is not None or not isinstance(starts, list) or not starts:
        return None
    rows = run.metrics.rows
    steps = number(run.manifest.get("steps")) or number(mapping(run.config, "grpo").get("steps"))
    host = "" if ended else other_host(run.path)
    state: Literal["running", "stopped", "unknown"] = "unknown" if host else "stopped"
    if not ended and running_pid(run.path) is not None:
        state = "running"
    paced = [row for row in rows if number(row.get("time")) is not None and row["time"] >= _began(starts[-1])]
    left = seconds_left(paced, int(steps)) if paced and steps else None
    return Progress(state, int(rows[-1]["step"]) if rows else 0, int(steps) if steps else None, left, host)


def _began(start: Any) -> float:
    """Unix time of a start; the steps before it do not tell the pace."""
    try:
        return datetime.fromisoformat(str(start["started"])).timestamp() if isinstance(start, Mapping) else 0.0
    except (KeyError, ValueError):
        return 0.0


def now() -> str:
    """The time for a page: ``2026-11-27 14:24:06 UTC``."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
