"""The parent's handle of one worker process: starts it, sends it chunks of jobs, notices that it hangs or died, kills it."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from dunwu.rewards.frames import Frames
from dunwu.rewards.outcome import decode
from dunwu.types import Problem, Reward

STARTUP_SECONDS = 60.0
MAX_TICK = 0.1


class WorkerLost(Exception):
    """The worker cannot be used any more; ``index`` is the current job of its chunk, ``timed_out`` is true if that took too long."""

    def __init__(self, message: str, index: int = 0, timed_out: bool = False) -> None:
        super().__init__(message)
        self.index = index
        self.timed_out = timed_out


class WorkerProcess:
    """A fresh interpreter: a fork would copy the parent's threads' locks, and multiprocessing's spawn would import its main script."""

    def __init__(self, reward: bytes, timeout: float, stop: threading.Event) -> None:
        """``reward`` is pickled; ``timeout``: see `RewardPool`; setting ``stop`` ends every wait with `WorkerLost`."""
        self._timeout = timeout
        self._stop = stop
        self._started_before = 0
        self._progress = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        ours, theirs = socket.socketpair()
        self._frames = Frames(ours)
        try:
            with theirs:
                self._process = _launch(theirs.fileno(), self._progress.fileno())
        except OSError as error:
            ours.close()
            self._progress.close()
            raise WorkerLost(f"the reward worker did not start ({error})") from error
        try:
            self._frames.send(reward, STARTUP_SECONDS)
            ready = self._next_message(lambda: STARTUP_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise WorkerLost(f"the reward worker did not start ({error})") from error
        assert ready == b"ready", "the worker's first message"

    def run(self, jobs: Sequence[tuple[Problem, str]]) -> Iterator[Reward]:
        """The rewards of ``jobs`` in order, as they arrive; raises `WorkerLost`. A chunk must be finished before the next one starts."""
        from dunwu.tasks.code_tests import program_seconds  # pydantic, which a worker does not load

        received = 0
        limits = [self._timeout + program_seconds(problem) for problem, _ in jobs]
        try:
            self._frames.send(pickle.dumps(jobs, pickle.HIGHEST_PROTOCOL), self._timeout)
            while received < len(jobs):
                rewards = decode(self._next_message(lambda: limits[self._place(len(jobs))]))
                if not 0 < len(rewards) <= len(jobs) - received:
                    raise ValueError(f"{len(rewards)} rewards")
                yield from rewards
                received += len(rewards)
        except (OSError, EOFError, ValueError) as error:
            at = min(max(received, self._place(len(jobs))), len(jobs) - 1)
            raise WorkerLost(str(error), at, isinstance(error, TimeoutError)) from error
        self._started_before += len(jobs)

    def close(self) -> None:
        """Kill the process and free its resources; the second call does nothing."""
        self._process.kill()
        self._process.wait()
        self._frames.close()
        self._progress.close()

    def _next_message(self, limit: Callable[[], float]) -> bytes:
        """Raises `TimeoutError` when no message comes and no new job starts within ``limit()`` seconds (evaluated again for each job)."""
        tick = min(limit() / 25, MAX_TICK)
        started, since = self._started(), time.monotonic()
        while True:
            try:
                return self._frames.receive(tick)
            except TimeoutError:
                if self._stop.is_set():
                    raise EOFError("the pool is closing") from None
            if self._started() != started:
                started, since = self._started(), time.monotonic()
            elif time.monotonic() - since > limit():
                raise TimeoutError(f"longer than {limit():g} s")

    def _place(self, jobs: int) -> int:
        """Index of the chunk's job that the worker is computing."""
        return min(max(self._started() - self._started_before - 1, 0), jobs - 1)

    def _started(self) -> int:
        return int.from_bytes(os.pread(self._progress.fileno(), 8, 0), "little")


def _launch(channel: int, progress: int) -> subprocess.Popen[bytes]:
    paths = [os.path.abspath(path) for path in sys.path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dunwu.rewards.worker", str(channel), str(progress), str(os.getpid())],
        pass_fds=(channel, progress),
        stdin=subprocess.DEVNULL,
        stdout=2,  # what a custom function prints is seen, and our stdout has results only
        env=environment,
        process_group=0,  # the parent handles Ctrl-C
    )
