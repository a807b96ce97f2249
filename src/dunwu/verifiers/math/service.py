"""The process-wide handle of the maths worker: started on first use, one request at a time, closed at exit."""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dunwu.verifiers.math.policy import MathPolicy

STARTUP_SECONDS = 60.0
BACKSTOP_SECONDS = 2.4
"""The worker ends its own requests after 2 s; a worker that does not is killed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``equal`` is the result if ``kind`` is ``equal``, and meaningless otherwise. ``gold_ready``: the worker had read the gold."""

    kind: Literal["equal", "timeout", "failed", "died"]
    equal: bool = False
    gold_ready: bool = False
    detail: str = ""


class WorkerGone(Exception):
    """The worker process ended or cannot be started; the message says how."""


class MathService:
    """``judge`` may be called from any thread; a forked copy of this process starts its own worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._buffer = b""
        self._requests = 0

    def judge(self, gold: str, answer: str | None, policy: MathPolicy) -> Outcome:
        """Compare in the worker; if it dies, start another and retry once. Without ``answer``, only check that the gold can be read."""
        with self._lock:
            outcome = self._once(gold, answer, policy)
            return self._once(gold, answer, policy) if outcome.kind == "died" else outcome

    def start(self) -> None:
        """Start the worker now (about a second) instead of at the first answer that needs it."""
        with self._lock:
            if self._channel is None:
                self._launch()

    def close(self) -> None:
        """Stop the worker and release its resources; the next `judge` starts another."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """After a fork: the worker belongs to the parent."""
        self._lock = threading.Lock()
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
        self._process = self._channel = None

    def _once(self, gold: str, answer: str | None, policy: MathPolicy) -> Outcome:
        try:
            if self._channel is None:
                self._launch()
            return self._exchange(gold, answer, policy)
        except (OSError, WorkerGone) as error:
            self._stop()
            return Outcome("died", detail=f"the maths worker was lost: {error}")

    def _exchange(self, gold: str, answer: str | None, policy: MathPolicy) -> Outcome:
        assert self._channel is not None
        self._requests += 1
        number, gold_ready, deadline = self._requests, False, time.monotonic() + BACKSTOP_SECONDS
        self._channel.sendall(json.dumps([number, gold, answer, asdict(policy)]).encode() + b"\n")
        while True:
            try:
                message = self._receive(deadline)
            except TimeoutError:
                self._stop()
                return Outcome("timeout", gold_ready=gold_ready, detail="killed")
            match message:
                case [of, "gold"] if of == number:
                    gold_ready = True
                case [of, "equal", equal] if of == number:
                    return Outcome("equal", bool(equal), True)
                case [of, "failed", text] if of == number:
                    return Outcome("failed", gold_ready=gold_ready, detail=str(text))
                case [0, "timeout"]:
                    return Outcome("timeout", gold_ready=gold_ready)
                case [0, "died", text]:
                    return Outcome("died", detail=f"the maths worker died: {text}")

    def _receive(self, deadline: float) -> Any:
        assert self._channel is not None
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._channel], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise TimeoutError("no answer")
            data = self._channel.recv(1 << 16)
            if not data:
                raise WorkerGone("it closed its channel")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _launch(self) -> None:
        self._buffer = b""
        ours, theirs = socket.socketpair()
        self._channel = ours
        with theirs:
            self._process = _start(theirs.fileno())
        try:
            self._receive(time.monotonic() + STARTUP_SECONDS)
        except TimeoutError:
            raise WorkerGone("it did not start") from None

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._channel = None


def _start(channel: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dunwu.verifiers.math.worker", str(channel)],
        pass_fds=(channel,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
        process_group=0,  # Ctrl-C at the terminal is the parent's to handle
    )


SERVICE = MathService()
atexit.register(SERVICE.close)
os.register_at_fork(after_in_child=SERVICE.forget)
