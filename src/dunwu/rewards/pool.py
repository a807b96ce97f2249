"""Computes rewards in worker processes while the caller keeps generating."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from dunwu.errors import ConfigError, DunwuError, TrainingError
from dunwu.rewards.outcome import RewardFunction, compute, failed, part_names
from dunwu.rewards.worker_process import WorkerLost, WorkerProcess
from dunwu.types import Problem, Reward

MAX_CHUNK = 64
MAX_TIMEOUTS = 10
"""A reward that times out this often in a row, without a single result before, is assumed to hang always."""


@dataclass(frozen=True, slots=True)
class Job:
    """One reward to compute; ``crashes`` counts the workers that died while computing it."""

    key: int
    problem: Problem
    text: str
    crashes: int = 0


class RewardPool:
    """``with RewardPool(reward, workers=1, timeout=5.0) as pool: pool.submit(...); ...; rewards = pool.collect()``

    Each worker has a thread in this process that sends it chunks (small while the queue is short) and enforces the time limit. If a job
    takes longer than ``timeout`` seconds (plus the time its problem grants a program), its worker is killed and replaced and the job is a
    ``timeout``. If a worker dies, its job is tried once more and then is an ``error``, like a job that raises or returns garbage. The other
    jobs of the chunk are computed again: a reward must be a deterministic function. ``workers=0`` computes in `submit`, without time limit.
    """

    def __init__(self, reward: RewardFunction, workers: int, timeout: float) -> None:
        self._reward = reward
        self._names = part_names(reward)
        self._workers = workers
        self._timeout = timeout
        self._changed = threading.Condition()  # guards the attributes below, except the lanes
        self._queue: deque[Job] = deque()
        self._keys: dict[int, None] = {}
        self._results: dict[int, Reward] = {}
        self._timeouts: int | None = 0  # before the first reward; None from then on
        self._started: list[bool] = []  # one entry per lane: did its first worker start?
        self._stop = threading.Event()
        self._lanes: list[threading.Thread] = []

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the parts, if the reward has them."""
        return dict(getattr(self._reward, "weights", {}))

    def __enter__(self) -> Self:
        """Start the workers. Raises `ConfigError` for a reward that cannot be sent to them, `DunwuError` if they do not start."""
        if self._workers:
            sent = _pickled(self._reward, self._workers)
            self._lanes = [
                threading.Thread(target=self._lane, args=(sent,), name=f"rewards-{i}", daemon=True) for i in range(self._workers)
            ]
            for lane in self._lanes:
                lane.start()
            with self._changed:
                self._changed.wait_for(lambda: len(self._started) == self._workers)
            if not all(self._started):
                self.close()
                raise DunwuError("a reward worker did not start: see its message above, or set reward_workers to 0")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers and drop unfinished jobs."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        for lane in self._lanes:
            lane.join()

    def submit(self, key: int, problem: Problem, text: str) -> None:
        """Queue ``reward(problem, text)``; ``text`` is prefill + completion, ``key`` must be new since the last `collect`."""
        assert key not in self._keys, f"key {key} was submitted twice"
        assert not self._stop.is_set(), "the pool is closed"
        job = Job(key, problem, text)
        if not self._workers:
            self._keys[key] = None
            self._results[key] = compute(self._reward, problem, text)
            return
        assert self._lanes, "the pool is entered with `with`"
        with self._changed:
            self._keys[key] = None
            self._queue.append(job)
            self._changed.notify()

    def collect(self) -> dict[int, Reward]:
        """Wait for everything submitted since the last `collect`; results by key, in the order of submission.

        Raises `TrainingError` for a reward that has only timed out so far: each step would take hours and teach nothing.
        """
        with self._changed:
            while len(self._results) < len(self._keys):
                if self._timeouts is not None and self._timeouts >= MAX_TIMEOUTS:
                    raise TrainingError(
                        f"each of the first {MAX_TIMEOUTS} rewards took over {self._timeout:g} s: make it faster, or raise reward_timeout"
                    )
                assert all(lane.is_alive() for lane in self._lanes), "a thread of the reward pool has died"
                self._changed.wait(1.0)
            results = {key: self._results[key] for key in self._keys}
            self._keys.clear()
            self._results.clear()
        return results

    def _lane(self, sent: bytes) -> None:
        """A worker's thread: runs chunk after chunk, in a new worker if the last one was lost."""
        worker = self._start(sent)
        with self._changed:
            self._started.append(worker is not None)
            self._changed.notify_all()
        try:
            while chunk := self._next_chunk():
                if worker is None:
                    for job in chunk:
                        self._finish(job, failed(self._names, "error", "the reward worker did not start"))
                elif not self._run(worker, chunk):
                    worker.close()
                    worker = None
                worker = worker or self._start(sent)
        finally:
            if worker is not None:
                worker.close()

    def _start(self, sent: bytes) -> WorkerProcess | None:
        try:
            return None if self._stop.is_set() else WorkerProcess(sent, self._timeout, self._stop)
        except WorkerLost:
            return None

    def _next_chunk(self) -> list[Job]:
        """Wait for jobs; an empty list means the pool is closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stop.is_set())
            if self._stop.is_set():
                return []
            size = min(MAX_CHUNK, -(-len(self._queue) // (2 * self._workers)))
            return [self._queue.popleft() for _ in range(size)]

    def _run(self, worker: WorkerProcess, chunk: list[Job]) -> bool:
        """Run a chunk; ``False`` if the worker was lost. Its job is then decided and the other unfinished jobs return to the queue."""
        done = 0
        try:
            for reward in worker.run([(job.problem, job.text) for job in chunk]):
                self._finish(chunk[done], reward)
                done += 1
        except WorkerLost as lost:
            again = self._decide(chunk[lost.index], lost)
            rest = [*chunk[done : lost.index], *again, *chunk[lost.index + 1 :]]
            with self._changed:
                self._queue.extendleft(reversed(rest))
                self._changed.notify_all()
            return False
        return True

    def _decide(self, job: Job, lost: WorkerLost) -> list[Job]:
        """Decides the job during which a worker was lost: a time-out is final, a crash is final the second time."""
        if lost.timed_out:
            self._finish(job, failed(self._names, "timeout", str(lost)))
        elif job.crashes:
            self._finish(job, failed(self._names, "error", f"the worker was lost twice: {lost}"))
        else:
            return [replace(job, crashes=1)]
        return []

    def _finish(self, job: Job, reward: Reward) -> None:
        with self._changed:
            self._results[job.key] = reward
            hung = reward.total is None and reward.verdict.reason == "timeout"
            self._timeouts = self._timeouts + 1 if hung and self._timeouts is not None else None
            if len(self._results) == len(self._keys):
                self._changed.notify_all()


def _pickled(reward: RewardFunction, workers: int) -> bytes:
    remedy = f"define it at the top of an importable module, or set reward_workers to 0 (it is {workers})"
    name = getattr(reward, "__qualname__", type(reward).__qualname__)
    if getattr(reward, "__module__", type(reward).__module__) == "__main__":
        raise ConfigError(f"reward {name} is defined in the main script, where worker processes cannot find it: {remedy}")
    try:
        return pickle.dumps(reward, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(f"reward {name} cannot be sent to worker processes ({error}): {remedy}") from error
