"""Restrictions on a child after it has called `Confinement.apply`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple

from dunwu.sandbox.inside import kernel, landlock, system_calls

MIB = 1 << 20
OPEN_FILES = 32
STACK_MIB = 64
THREADS = 128
FIRST_OWN_COUNT = (5, 14)
"""The first Linux that counts RLIMIT_NPROC per user namespace; earlier ones count all processes of the user."""
NEEDED_LANDLOCK = 6
FAR = 210

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Bounds(NamedTuple):
    """The resource bounds of one case; CPU in whole seconds."""

    cpu: int
    memory_mib: int
    file_bytes: int


class Confinement:
    """Prepared once in the server, applied in each child."""

    def __init__(self, level: int, readable: Sequence[str]) -> None:
        """At level 3 only resources are limited. Raises `OSError` if the kernel lacks what the level needs."""
        self._locked = level < 3
        self._counts_threads = level == 1 and _release() >= FIRST_OWN_COUNT
        self._rules = -1
        if self._locked:
            if level == 2 and landlock.abi() < NEEDED_LANDLOCK:
                raise OSError(f"Landlock ABI {landlock.abi()}; {NEEDED_LANDLOCK} is needed")
            if landlock.abi():
                rules = landlock.ruleset([*readable, *DEVICES[1:]], DEVICES[:1])
                self._rules = fcntl.fcntl(rules, fcntl.F_DUPFD_CLOEXEC, FAR)  # out of the way of a child's pipes

    def apply(self, bounds: Bounds, binary: bool) -> None:
        """Confine this process irrevocably. All of `Confinement` is trusted code that runs before the program."""
        limit_resources(bounds, self._counts_threads)
        if not self._locked:
            return
        # Undoes the server's 0, without which /dev/stdin, a link into /proc/self, could not be opened.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self._rules >= 0:
            landlock.restrict_self(self._rules)
        kernel.install_filter(system_calls.filter_program(os.getpid(), binary))


def limit_resources(bounds: Bounds, counts_threads: bool) -> None:
    """Set rlimits. A case cannot start processes, so RLIMIT_AS bounds its memory without cgroups."""
    limits = {
        "AS": bounds.memory_mib * MIB,
        "STACK": STACK_MIB * MIB,
        "FSIZE": bounds.file_bytes,
        "NOFILE": OPEN_FILES,
        # One byte prevents core files too, and unlike 0 it also keeps the kernel from starting the host's crash handler.
        "CORE": 1,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
    }
    if counts_threads:
        limits["NPROC"] = THREADS
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            with contextlib.nullcontext() if sys.platform == "linux" else contextlib.suppress(ValueError, OSError):
                lower(number, value, value)
    lower(resource.RLIMIT_CPU, bounds.cpu, bounds.cpu + 1)


def lower(number: int, soft: int, hard: int) -> None:
    """Set a limit, never above the current hard limit."""
    current = resource.getrlimit(number)[1]
    if current != resource.RLIM_INFINITY:
        soft, hard = min(soft, current), min(hard, current)
    resource.setrlimit(number, (soft, hard))


def _release() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
