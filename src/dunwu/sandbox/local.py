"""A sandbox on this machine: a pool of workers, started on demand and replaced when lost."""

from __future__ import annotations

import queue
from collections.abc import Sequence

from dunwu.sandbox.compiler import Compiler
from dunwu.sandbox.ending import lost, outcome_of
from dunwu.sandbox.inside.protocol import BINARY, FUNCTION, SCRIPT
from dunwu.sandbox.outcome import Limits, Outcome, Program
from dunwu.sandbox.sealed import sealed
from dunwu.sandbox.worker import Case, Worker, WorkerLost

ATTEMPTS = 2


class LocalSandbox:
    """`dunwu.sandbox.outcome.Sandbox`. Thread-safe; each worker runs one case at a time."""

    def __init__(self, level: int, workers: int) -> None:
        """Starts nothing yet."""
        self.level = level
        self._compiler = Compiler(level)
        self._slots = [_Slot(level) for _ in range(workers)]
        self._free: queue.LifoQueue[_Slot] = queue.LifoQueue()
        for slot in self._slots:
            self._free.put(slot)

    def run(self, program: Program, inputs: Sequence[str], limits: Limits, stop_at_failure: bool = False) -> list[Outcome]:
        """See `dunwu.sandbox.outcome.Sandbox.run`."""
        slot = self._free.get()
        try:
            prepared = self._prepare(program)
            if isinstance(prepared, Outcome):
                return [prepared] * (1 if stop_at_failure and inputs else len(inputs))
            mode, content = prepared
            with sealed(content, executable=mode == BINARY) as descriptor:
                outcomes: list[Outcome] = []
                for text in inputs:
                    outcomes.append(slot.run(mode, descriptor, text, limits))
                    if stop_at_failure and outcomes[-1].status != "ok":
                        break
                return outcomes
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """End all workers, after waiting for the runs of other threads."""
        for _ in self._slots:
            self._free.get().close()
        for slot in self._slots:
            self._free.put(slot)

    def __enter__(self) -> LocalSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, program: Program) -> tuple[int, bytes] | Outcome:
        """The mode, and the content of the program file."""
        if program.language == "cpp":
            built = self._compiler.build(program)
            return built if isinstance(built, Outcome) else (BINARY, built)
        entry = (program.entry or "").encode(errors="surrogatepass")
        content = entry + b"\0" + program.source.encode(errors="surrogatepass")
        return SCRIPT if program.entry is None else FUNCTION, content


class _Slot:
    """A worker, or an empty slot for the next one."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._worker: Worker | None = None

    def run(self, mode: int, program: int, text: str, limits: Limits) -> Outcome:
        """Run a case; if the worker is lost, replace it once and run the case again."""
        reason = ""
        for _ in range(ATTEMPTS):
            with sealed(text.encode(errors="surrogatepass")) as given:
                try:
                    ending = self._ready().run(Case(mode, program, given, limits))
                except (WorkerLost, OSError) as error:
                    reason = str(error)
                    continue
            if ending.confined:
                return outcome_of(ending, limits, mode)
            reason = f"the worker did not start: {ending.errors.decode(errors='replace')[-200:]}"
            self.close()
        return lost(reason)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _ready(self) -> Worker:
        if self._worker is None or not self._worker.alive:
            self._worker = Worker(self._level)
        return self._worker
