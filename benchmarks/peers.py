"""Worker processes: one for each engine or trainer and precision, each with its own interpreter, threads and memory.

They are started once, warmed up, and asked by turns, so that a disturbance of the machine meets all of them. While one works the others
wait for a line and use no processor.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WORKERS = Path(__file__).parent / "workers"
PYTHON_OF = {"vllm": "DUNWU_VLLM_PYTHON", "trl": "DUNWU_TRL_PYTHON"}
"""Peers that live in their own environment, and the variable that names its interpreter."""
LOG_LINES = 3


class LeftOut(Exception):
    """A worker that is not there or has died, with the reason."""


def interpreter(kind: str) -> str:
    """The interpreter of a kind of worker. Raises ``LeftOut`` where it is not known."""
    variable = PYTHON_OF.get(kind)
    if variable is None:
        return sys.executable
    given = os.environ.get(variable)
    if not given:
        raise LeftOut(f"set {variable} to the interpreter of an environment that has it")
    found = shutil.which(given)
    if found is None:
        raise LeftOut(f"{variable}={given} is no interpreter")
    return os.path.abspath(found)  # workers have a working directory of their own; an environment's symbolic link must stay one


@dataclass
class Worker:
    """A running worker: ``ask`` it, read its ``peak_rss``, ``close`` it. ``versions`` is what it said of itself at the start."""

    kind: str
    process: subprocess.Popen[str]
    log: Path
    versions: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.versions = self._answer()["versions"]

    @classmethod
    def start(cls, kind: str, script: str, settings: Mapping[str, Any], threads: int, folder: Path) -> Self:
        """Start ``workers/<kind>_<script>.py``. Raises ``LeftOut`` where it cannot be."""
        descriptor, log = tempfile.mkstemp(prefix=f"{kind}-{script}-", suffix=".log", dir=folder)
        command = [interpreter(kind), str(WORKERS / f"{kind}_{script}.py"), json.dumps(dict(settings))]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        with os.fdopen(descriptor, "w") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=folder
            )
        return cls(kind, process, Path(log))

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer."""
        self.tell(**order)
        return self._answer()

    def tell(self, **order: Any) -> None:
        """Send an order."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has died; the answer that does not come tells why
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise LeftOut(" / ".join(self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-LOG_LINES:]))
        answer: dict[str, Any] = json.loads(line)
        if "left_out" in answer:
            self.close()
            raise LeftOut(answer["left_out"])
        return answer

    def peak_rss(self) -> int | None:
        """Highest resident memory so far in bytes, of the worker and its children together; ``None`` where the system does not tell."""
        import psutil

        own = psutil.Process(self.process.pid)
        peaks = [_peak(each.pid) for each in (own, *own.children(recursive=True))]
        return None if None in peaks else sum(peak for peak in peaks if peak is not None)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def _peak(pid: int) -> int | None:
    """Linux's VmHWM. Not ``getrusage``, whose maximum a child inherits from the process that started it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


@dataclass(frozen=True)
class Contender:
    """Something that takes turns: a kind of worker at a precision."""

    kind: str
    precision: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.precision}"


class Workers:
    """``with Workers(...) as workers``: the contenders, by name; ``left_out`` has the peers that did not start or died, with the reason."""

    def __init__(self, contenders: Sequence[Contender], script: str, settings: Mapping[str, Any], threads: int, folder: Path) -> None:
        self._wanted, self._script, self._settings, self._threads, self._folder = contenders, script, settings, threads, folder
        self.running: dict[str, Worker] = {}
        self.left_out: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for contender in self._wanted:
                settings = {**self._settings, "precision": contender.precision, "threads": self._threads}
                try:
                    worker = Worker.start(contender.kind, self._script, settings, self._threads, self._folder)
                except LeftOut as error:
                    self._drop(contender.name, error)
                    continue
                stack.callback(worker.close)
                self.running[contender.name] = worker
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _drop(self, name: str, error: LeftOut) -> None:
        """Go on without a peer; the reason stands above the table. What lives in our own environment must run."""
        if name.split()[0] not in PYTHON_OF:
            raise error
        self.running.pop(name, None)
        self.left_out[name] = str(error)

    def by_turns(self, order: Mapping[str, Any], repeats: int) -> dict[str, list[dict[str, Any]]]:
        """The answers of each to ``repeats`` orders, after one that is not counted; each order carries its ``turn``."""
        answers: dict[str, list[dict[str, Any]]] = {name: [] for name in self.running}
        for turn in range(repeats + 1):
            for name, worker in list(self.running.items()):
                began = time.perf_counter()
                try:
                    answer = worker.ask(**order, turn=turn)
                except LeftOut as error:
                    self._drop(name, error)
                    del answers[name]
                    continue
                print(f"  {name}, turn {turn} of {repeats}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
                if turn:
                    answers[name].append(answer)
        return answers
