"""The client of one worker: gives it a case, reads its pipes, and kills it when anything looks odd."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Literal

from dunwu.sandbox.ending import Ending
from dunwu.sandbox.inside.protocol import JOB, READY, REPLY
from dunwu.sandbox.launch import archive, server_command, start
from dunwu.sandbox.outcome import Limits
from dunwu.sandbox.sealed import sealed

STARTUP_SECONDS = 60.0
DRAIN_SECONDS = 5.0
"""For what is left in the pipes after a child's end; their writing ends are closed by then."""
ENDING_SECONDS = 2.0
CHUNK = 1 << 16
LARGEST_FILE = 1 << 20
"""In bytes, of a file that a program writes. Nothing is writable; this is for what we overlooked."""


class WorkerLost(Exception):
    """The worker did not do its part: nothing is known of the program."""


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
    """One fork server. For one thread at a time."""

    def __init__(self, level: int) -> None:
        """Raises `WorkerLost` with the reason when it does not come up, `UserError` when something needed is missing."""
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
        try:
            greeting = self._channel.recv(len(READY))
        except OSError as error:
            raise self._gone(f"the worker does not start: {error}") from error
        if greeting != READY:
            raise self._gone("the worker does not start")

    @property
    def pid(self) -> int:
        """Of the process that we started; at level 1 that is bubblewrap."""
        return self._process.pid

    def run(self, case: Case) -> Ending:
        """Raises `WorkerLost`. The worker is closed after that, and also when the case had to be killed: see `alive`."""
        pipes = [os.pipe() for _ in range(3)]
        try:
            begin = time.monotonic()
            self._send(case, [write for _, write in pipes])
            return self._follow([read for read, _ in pipes], case.limits, begin)
        except OSError as error:
            raise self._gone(f"the worker is gone: {error}") from error
        except BaseException:
            self.close()  # interrupted, it would give this case's answer to the next
            raise
        finally:
            for read, _ in pipes:
                os.close(read)

    def close(self) -> None:
        """Ends it and all that is in it.

        Without its client it kills the case, waits for it, and ends, so that nothing is left to an init that a container may not have.
        Otherwise it is killed.
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

    def _follow(self, reads: Sequence[int], limits: Limits, begin: float) -> Ending:
        """Until all pipes are at their end and the worker has answered, or a limit is reached."""
        received, channel = {read: bytearray() for read in reads}, self._channel.fileno()
        poll, waiting = select.poll(), {channel, *reads}
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        deadline, answer = begin + limits.wall_seconds, (0, 0.0, 0)
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
        return Ending(output, errors, result, time.monotonic() - begin, killed, *answer)

    def _answer(self) -> tuple[int, float, int]:
        """Wait status, CPU seconds, peak memory in MiB. The worker writes them at once."""
        data = self._channel.recv(REPLY.size)
        if len(data) != REPLY.size:
            raise self._gone("the worker is gone")
        status, microseconds, kibibytes = REPLY.unpack(data)
        return status, microseconds / 1e6, kibibytes // 1024

    def _gone(self, reason: str) -> WorkerLost:
        """With the last line that it, or bubblewrap, has complained in."""
        self._errors.seek(0)
        complaint = self._errors.read().decode(errors="replace").strip().splitlines()
        self.close()
        return WorkerLost(f"{reason} ({complaint[-1]})" if complaint else reason)
