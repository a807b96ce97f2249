"""The raw ending of a case, and the outcome it means."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from typing import Any, Literal

from dunwu.sandbox.inside.protocol import BINARY, CONFINED, EXIT_MEMORY, FUNCTION, NOT_EXECUTED, STARTED
from dunwu.sandbox.outcome import Limits, Outcome, Status
from dunwu.sandbox.values import decode_value

SHOWN_ERRORS = 2048
NEARLY_ALL = 0.8
"""Share of the memory limit: a process that used so much and was killed by a signal most likely hit the limit."""
OUT_OF_MEMORY_SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)


@dataclass(frozen=True, slots=True)
class Ending:
    """The kernel's facts about a case, and the data from its pipes."""

    output: bytes
    errors: bytes
    result: bytes
    wall: float
    killed: Literal["", "time", "output"]
    """The limit for which we killed the process, if we did; ``status``, ``cpu`` and ``memory`` are then unknown."""
    status: int = 0
    """From waitpid."""
    cpu: float = 0.0
    memory: int = 0
    """Peak in MiB."""

    @property
    def confined(self) -> bool:
        """True if our own code inside succeeded; if not, nothing is known about the program."""
        return self.result.startswith(CONFINED) and not self.result.startswith(CONFINED + NOT_EXECUTED)


def outcome_of(ending: Ending, limits: Limits, mode: int) -> Outcome:
    """The outcome of a case that was `Ending.confined`. A function must also have returned a value."""
    status, result, errors = _status(ending, limits, mode), None, ending.errors
    if mode == FUNCTION and status == "ok":
        try:
            result = _decoded(ending.result.removeprefix(CONFINED + STARTED))
        except ValueError as error:
            status, errors = "runtime_error", errors + f"\nno result: {error}"[:SHOWN_ERRORS].encode(errors="replace")
    shown = errors[-SHOWN_ERRORS:].decode(errors="replace").strip()
    return Outcome(status, ending.output.decode(errors="replace"), ending.cpu, ending.wall, ending.memory, shown, result)


def lost(reason: str) -> Outcome:
    """Nothing is known about the program: the failure is ours, not the program's."""
    return Outcome("sandbox_error", "", 0.0, 0.0, 0, reason)


def _status(ending: Ending, limits: Limits, mode: int) -> Status:
    if ending.killed:
        return "time_limit" if ending.killed == "time" else "output_limit"
    ended_by = os.WTERMSIG(ending.status) if os.WIFSIGNALED(ending.status) else 0
    if ended_by == signal.SIGXCPU or ending.cpu > limits.cpu_seconds:
        return "time_limit"
    if mode != BINARY and not ending.result.startswith(CONFINED + STARTED):
        return "compile_error"
    if ending.status == 0:
        return "ok"
    if ended_by in OUT_OF_MEMORY_SIGNALS and ending.memory >= NEARLY_ALL * limits.memory_mib:
        return "memory_limit"
    return "memory_limit" if not ended_by and os.waitstatus_to_exitcode(ending.status) == EXIT_MEMORY else "runtime_error"


def _decoded(text: bytes) -> Any:
    """Raises `ValueError` for anything but an encoded value, whoever wrote it."""
    try:
        return decode_value(json.loads(text))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
