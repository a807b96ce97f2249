"""Opens the requested sandbox, by default the best one that this machine supports."""

from __future__ import annotations

import atexit
import functools
import os
import sys
from dataclasses import dataclass

from dunwu.errors import ConfigError, UserError
from dunwu.sandbox.inside.landlock import abi
from dunwu.sandbox.inside.protocol import SCRIPT
from dunwu.sandbox.inside.system_calls import supported
from dunwu.sandbox.local import LocalSandbox
from dunwu.sandbox.outcome import Limits, Sandbox
from dunwu.sandbox.sealed import sealed
from dunwu.sandbox.worker import Case, Worker, WorkerLost

VARIABLE = "DUNWU_SANDBOX"
REMEDY = f"give the address of a worker on another Linux machine (dunwu sandbox; {VARIABLE}=http://HOST:PORT), or set {VARIABLE}=unsafe"
TRIAL = Limits(wall_seconds=20.0)
UNSAFE = "only resources are limited: a program can read and change whatever the user can"


@dataclass(frozen=True, slots=True)
class Level:
    """1 namespaces and seccomp, 2 Landlock and seccomp, 3 neither; ``text`` gives the reason."""

    number: int
    text: str


def open_sandbox(where: str = "auto", workers: int = 0) -> Sandbox:
    """``auto``: the best of this machine; ``http://host:port``: another machine; ``unsafe``: resource limits only.

    With ``workers=0`` there is one worker per core. Raises `UserError` if ``auto`` finds neither namespaces nor Landlock.
    """
    workers = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if where.startswith(("http://", "https://")):
        from dunwu.sandbox.remote import RemoteSandbox

        return RemoteSandbox(where)
    if where == "unsafe":
        return LocalSandbox(3, workers)
    if where != "auto":
        raise ConfigError(f"{where!r} is not a sandbox: give auto, unsafe, or the address of a worker such as http://127.0.0.1:8000")
    level = probe()
    if level.number == 3:
        raise UserError(f"this machine cannot isolate programs ({level.text}): {REMEDY}")
    return LocalSandbox(level.number, workers)


@functools.cache
def shared_sandbox() -> Sandbox:
    """The process-wide sandbox with one worker, chosen by the environment variable DUNWU_SANDBOX; closed at exit."""
    sandbox = open_sandbox(os.environ.get(VARIABLE, "auto"), workers=1)
    atexit.register(sandbox.close)
    os.register_at_fork(after_in_child=shared_sandbox.cache_clear)  # two processes cannot share a worker
    return sandbox


def where_programs_run() -> str:
    """Describes `shared_sandbox` for the manifest of a run; starts nothing but what `probe` starts."""
    where = os.environ.get(VARIABLE, "auto")
    return f"level {probe().number}" if where == "auto" else "level 3, unsafe" if where == "unsafe" else f"remote, {where}"


@functools.cache
def probe() -> Level:
    """The best level, found by running a program in it."""
    if sys.platform != "linux" or not supported():
        return Level(3, f"{sys.platform} on {os.uname().machine} has neither namespaces nor known seccomp filters; {UNSAFE}")
    without_namespaces = _failure(1)
    if not without_namespaces:
        return Level(1, f"namespaces (bubblewrap), seccomp, {f'Landlock ABI {abi()}' if abi() else 'no Landlock'}")
    without_landlock = _failure(2)
    if not without_landlock:
        return Level(2, f"Landlock ABI {abi()} and seccomp; no namespaces: {without_namespaces}")
    return Level(3, f"namespaces: {without_namespaces}; Landlock: {without_landlock}")


def _failure(level: int) -> str:
    """The reason why the level does not work; empty if it works."""
    try:
        worker = Worker(level)
    except (WorkerLost, UserError, OSError) as error:
        return str(error)
    try:
        with sealed(b"\0print(1)") as program, sealed(b"") as given:
            ending = worker.run(Case(SCRIPT, program, given, TRIAL))
        return "" if ending.output == b"1\n" and ending.status == 0 else f"a trial program ended with {ending.status}: {ending.errors!r}"
    except WorkerLost as error:
        return str(error)
    finally:
        worker.close()
