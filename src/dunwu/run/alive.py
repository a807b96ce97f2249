"""Whether the process of a run is alive: a killed one leaves its last state behind. Imports no torch."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import psutil

from dunwu.errors import RunError
from dunwu.run.directory import read_manifest

_HOLDER = re.compile(r"pid (\d+) on host (.*)\n")


def running_pid(run: Path) -> int | None:
    """The process on this machine that holds the run, or ``None``."""
    try:
        held = _HOLDER.fullmatch((run / "lock").read_text(encoding="utf-8"))
        start = read_manifest(run)["starts"][-1]
    except (OSError, RunError):
        return None
    if held is None or held[2] != socket.gethostname() or start["seconds"] is not None:
        return None
    pid = int(held[1])
    return pid if psutil.pid_exists(pid) and _has_open(pid, run / "lock") else None


def _has_open(pid: int, lock: Path) -> bool:
    """True if the process has the lock file open: after a reboot its id may belong to another process."""
    try:
        return any(Path(file.path) == lock.resolve() for file in psutil.Process(pid).open_files())
    except psutil.Error:
        return False
