"""The client of one worker: sends it a case, reads its pipes, and kills it if anything looks wrong."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from dunwu.sandbox.ending import Ending
from dunwu.sandbox.inside.protocol import JOB, READY, REPLY
from dunwu.sandbox.launch import archive, server_command, start
from dunwu.sandbox.outcome import Limits
from dunwu.sandbox.sealed import sealed

STARTUP_SECONDS = 60.0
DRAIN_SECONDS = 5.0
"""For reading the rest of the pipes after a child has ended; their write ends are closed by then."""
ENDING_SECONDS = 2.0
CHUNK = 1 << 16
LARGEST_FILE = 1 << 20
"""Largest file that a program may write, in bytes. Nothing is writable; this covers what we overlooked."""


class WorkerLost(Exception):
    """The worker failed: nothing is known about the program."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run: a mode of `protocol`, the descriptors of the sealed program and its sealed input, and the limits."""

    mode: int
    program: int
    given: int
    limits: Limits

    @property
    def header(self) -> bytes:
        return JOB.pack(self.mode, math.ceil(self.limits.cpu_seconds), self.limits.memory_mib, LARGEST_FILE)


class Worker:
    """One fork server. Not thread-safe."""

    def __init__(self, level: int) -> None:
        """Raises `WorkerLost` with the reason if the worker does not start, `UserError` if a requirement is missing."""
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        self._channel, theirs = socket.socketpair()
        with contextlib.ExitStack() as failing:
            failing.callback(self._errors.close)
            failing.callback(self._channel.close)
            with theirs, sealed(archive()) as zipped:
                passed = (zipped, theirs.fileno())
                self._process = start(server_command(level, *passed), passed, self._errors)
            failing.pop_all()
        self.alive = True
        self._channel.settimeout(STARTUP_SECONDS)
        with self._closed_on_error():
            try:
                greeting = self._channel.recv(len(READY))
            except OSError as error:
                raise self._lost(f"the worker does not start: {error}") from error
        if greeting != READY:
            raise self._lost("the worker does not start")

    @property
    def pid(self) -> int:
        """The id of the process that we started; at level 1 that is bubblewrap."""
        return self._process.pid

    def run(self, case: Case) -> Ending:
        """Run a case. Raises `WorkerLost`. The worker is closed after that, and also if the case had to be killed: see `alive`."""
        pipes = [os.pipe() for _ in range(3)]
        with contextlib.ExitStack() as after, self._closed_on_error():
            for read, _ in pipes:
                after.callback(os.close, read)
            try:
                began = time.monotonic()
                self._send(case, [write for _, write in pipes])
                return self._follow([read for read, _ in pipes], case.limits, began)
            except OSError as error:
                raise self._lost(f"the worker is gone: {error}") from error

    @contextlib.contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """Close the worker after an interrupt, too: it must leave no process behind, nor its reply to the next case."""
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            yield
            failing.pop_all()

    def close(self) -> None:
        """End the worker and everything in it.

        A worker that loses its client kills the case, reaps it and exits, because a container may have no init to reap it.
        If the worker does not exit in time, it is killed.
        """
        self.alive = False
        self._channel.close()
        self._errors.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_SECONDS)
        self._process.kill()
        self._process.wait()

    def _send(self, case: Case, writes: Sequence[int]) -> None:
        try:
            self._channel.settimeout(STARTUP_SECONDS)
            socket.send_fds(self._channel, [case.header], [case.program, case.given, *writes])
        finally:
            for write in writes:
                os.close(write)

    def _follow(self, reads: Sequence[int], limits: Limits, began: float) -> Ending:
        """Read until all pipes have ended and the worker has replied, or until a limit is exceeded."""
        received, channel = {read: bytearray() for read in reads}, self._channel.fileno()
        poll, waiting = select.poll(), {channel, *reads}
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        deadline, answer = began + limits.wall_seconds, (0, 0.0, 0)
        killed: Literal["", "time", "output"] = ""
        while waiting and not killed:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            for descriptor, _ in ready:
                if descriptor == channel:
                    answer, deadline = self._answer(), time.monotonic() + DRAIN_SECONDS
                elif data := os.read(descriptor, CHUNK):
                    received[descriptor] += data
                    continue
                poll.unregister(descriptor)
                waiting.remove(descriptor)
            if max(map(len, received.values())) > limits.output_kib * 1024:
                killed = "output"
            elif not ready:
                killed = "time"
        if waiting:
            self.close()
        output, errors, result = map(bytes, received.values())
        return Ending(output, errors, result, time.monotonic() - began, killed, *answer)

    def _answer(self) -> tuple[int, float, int]:
        """Wait status, CPU seconds, peak memory in MiB. The worker writes them in one piece."""
        data = self._channel.recv(REPLY.size)
        if len(data) != REPLY.size:
            raise self._lost("the worker is gone")
        status, microseconds, kibibytes = REPLY.unpack(data)
        return status, microseconds / 1e6, kibibytes // 1024

    def _lost(self, reason: str) -> WorkerLost:
        """Close the worker; the error includes the last line of its (or bubblewrap's) standard error."""
        self._errors.seek(0)
        complaint = self._errors.read().decode(errors="replace").strip().splitlines()
        self.close()
        return WorkerLost(f"{reason} ({complaint[-1]})" if complaint else reason)
