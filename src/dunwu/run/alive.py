"""Whether the process of a run is alive, as a killed one leaves its last state behind, and how long it will take. Imports no torch."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from dunwu.errors import RunError
from dunwu.run.directory import read_manifest

_HOLDER = re.compile(r"pid (\d+) on host (.*)\n")


def seconds_left(rows: Sequence[Mapping[str, Any]], steps: int) -> float | None:
    """Remaining time at the pace of ``rows`` of ``metrics.jsonl`` (``step``, Unix ``time`` of its end); ``None`` with a single row."""
    first, last = rows[0], rows[-1]
    done = last["step"] - first["step"]
    return (last["time"] - first["time"]) / done * max(0, steps - last["step"]) if done > 0 else None


def other_host(run: Path) -> str:
    """The other machine on which a run was started and not ended, as far as its directory says; empty if there is none."""
    _, host = _holder(run)
    return "" if host == socket.gethostname() else host


def running_pid(run: Path) -> int | None:
    """The process on this machine that holds the run, or ``None``."""
    pid, host = _holder(run)
    if host != socket.gethostname():
        return None
    return pid if psutil.pid_exists(pid) and _has_open(pid, run / "lock") else None


def _holder(run: Path) -> tuple[int, str]:
    """Process and host of a start that has not ended; ``(0, "")`` if there is none."""
    try:
        held = _HOLDER.fullmatch((run / "lock").read_text(encoding="utf-8"))
        start = read_manifest(run)["starts"][-1]
    except (OSError, RunError, LookupError):
        return 0, ""
    return (int(held[1]), held[2]) if held is not None and start["seconds"] is None else (0, "")


def _has_open(pid: int, lock: Path) -> bool:
    """True if the process has the lock file open: after a reboot its id may belong to another process."""
    try:
        return any(Path(file.path) == lock.resolve() for file in psutil.Process(pid).open_files())
    except psutil.Error:
        return False
