"""What goes into a sandbox and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dunwu.errors import ConfigError

Status = Literal["ok", "wrong_answer", "runtime_error", "time_limit", "memory_limit", "output_limit", "compile_error", "sandbox_error"]
"""``wrong_answer`` is given by verifiers only; ``sandbox_error`` is our failure, never the program's, and never a reward of 0."""

Language = Literal["python", "cpp"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one case. The memory bounds the address space, threads included; the output bounds each pipe."""

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
    """Text that nobody trusts.

    With ``entry`` the function of that name, or the method of that name of ``Solution()``, is called with the case's arguments
    (Python only); without it the text is a script that reads standard input.
    """

    source: str
    language: Language = "python"
    entry: str | None = None

    def __post_init__(self) -> None:
        if self.language == "cpp" and self.entry is not None:
            raise ConfigError(f"entry {self.entry!r}: a C++ program can only read standard input")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case. ``cpu`` and ``wall`` in seconds, ``memory`` the peak in MiB. A worker that we killed tells neither: both are 0."""

    status: Status
    stdout: str
    cpu: float
    wall: float
    memory: int
    stderr: str
    """The last 2 KiB, for people, never for verdicts."""
    result: Any = None
    """What the function returned, as plain Python values; None without an ``entry``."""


class Sandbox(Protocol):
    """Runs programs. Safe to use from several threads."""

    def run(self, program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool = False) -> list[Outcome]:
        """One fresh process per input.

        An input is standard input, or with an entry the JSON object ``{"args": [...], "kwargs": {...}}`` whose values come from
        `dunwu.sandbox.values.encode_value`. With ``stop_at_failure`` the list ends at the first outcome that is not ``ok``.
        """
        ...

    def close(self) -> None:
        """End all processes."""
        ...

    def __enter__(self) -> Sandbox: ...

    def __exit__(self, *_: object) -> None: ...
