"""The inputs and outputs of a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dunwu.errors import ConfigError

Status = Literal["ok", "wrong_answer", "runtime_error", "time_limit", "memory_limit", "output_limit", "compile_error", "sandbox_error"]
"""Only verifiers give ``wrong_answer``; ``sandbox_error`` is our failure, not the program's, and never a reward of 0."""

Language = Literal["python", "cpp"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one case. Memory limits the address space, threads included; output limits each pipe."""

    cpu_seconds: float = 2.0
    wall_seconds: float = 4.0
    memory_mib: int = 512
    output_kib: int = 1024

    def __post_init__(self) -> None:
        for name, most in (("cpu_seconds", 3600), ("wall_seconds", 3600), ("memory_mib", 1 << 20), ("output_kib", 1 << 20)):
            if not 0 < getattr(self, name) <= most:
                raise ConfigError(f"the limit {name} is {getattr(self, name)}: give a number above 0, at most {most}")


@dataclass(frozen=True, slots=True)
class Program:
    """An untrusted program.

    With ``entry``, the function of that name, or the method of that name of ``Solution()``, is called with the case's arguments
    (Python only); without it, the program is a script that reads standard input.
    """

    source: str
    language: Language = "python"
    entry: str | None = None

    def __post_init__(self) -> None:
        if self.language == "cpp" and self.entry is not None:
            raise ConfigError(f"entry {self.entry!r}: a C++ program can only read standard input")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one case: ``cpu`` and ``wall`` in seconds, peak ``memory`` in MiB. ``cpu`` and ``memory`` are 0 if we killed it."""

    status: Status
    stdout: str
    cpu: float
    wall: float
    memory: int
    stderr: str
    """The last 2 KiB, for display only, never for verdicts."""
    result: Any = None
    """The function's return value as plain Python values; None without an ``entry``."""


class Sandbox(Protocol):
    """Runs programs. Thread-safe."""

    def run(self, program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool = False) -> list[Outcome]:
        """One fresh process per input.

        An input is standard input, or with an entry the JSON object ``{"args": [...], "kwargs": {...}}`` with values encoded by
        `dunwu.sandbox.values.encode_value`. With ``stop_at_failure`` the list ends at the first outcome that is not ``ok``.
        """
        ...

    def close(self) -> None:
        """End all processes."""
        ...

    def __enter__(self) -> Sandbox: ...

    def __exit__(self, *_: object) -> None: ...
