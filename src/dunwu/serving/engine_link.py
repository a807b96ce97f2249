"""The server's end of the engine process: starts it, sends it requests, hands on what it says, and replaces it when it dies or hangs.

Both ends exchange one JSON object a line over a socket that only they have: plain data, which cannot run code in the other process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from dunwu.errors import DunwuError, UserError
from dunwu.serving.backend import BackendDown, Call, Facts, News, Sink

LOG = logging.getLogger("dunwu.serving")
LONGEST_LINE = 1 << 26
"""Bytes of a message."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before the engine is started again; doubled each time that it fails before it is ready."""
TICK = 0.5


@dataclass(frozen=True)
class EngineSettings:
    """What the engine process is told at its start. ``stall``: seconds without a token after which it counts as hung."""

    model: str
    device: str = "auto"
    threads: int = 0
    max_batch: int = 64
    precision: str = "auto"
    native: bool = True
    startup: float = 600.0
    stall: float = 120.0


@dataclass
class _Process:
    """A running engine process and the socket to it."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class EngineLink:
    """A `Backend` in a process of its own."""

    def __init__(self, settings: EngineSettings, module: str = "dunwu.serving.engine_process") -> None:
        self._settings, self._module = settings, module
        self._sinks: dict[int, Sink] = {}
        self._numbers = count(1)
        self._running: _Process | None = None
        self._facts: Facts | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._heard = 0.0
        self.restarts = 0

    @property
    def facts(self) -> Facts | None:
        """See `Backend.facts`."""
        return self._facts

    @property
    def pid(self) -> int | None:
        """Of the engine process."""
        return self._running.process.pid if self._running else None

    async def start(self) -> None:
        """See `Backend.start`."""
        await self._launch()
        self._watcher = asyncio.create_task(self._watch())

    def submit(self, call: Call, sink: Sink) -> int:
        """See `Backend.submit`."""
        if self._facts is None:
            raise BackendDown
        number = next(self._numbers)
        if not self._sinks:
            self._heard = time.monotonic()
        self._sinks[number] = sink
        asked = {"tokens": call.token_ids, "seed": call.seed, "params": asdict(call.params)}
        self._send({"submit": number, **asked})
        return number

    def cancel(self, number: int) -> None:
        """See `Backend.cancel`."""
        if self._sinks.pop(number, None) is not None and self._facts is not None:
            self._send({"cancel": number})

    async def close(self) -> None:
        """See `Backend.close`."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        await self._end()

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._running is not None:
            self._running.writer.write(json.dumps(message).encode() + b"\n")

    async def _launch(self) -> None:
        """Start the process and wait until it is ready. Raises ``DunwuError`` if it cannot be."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", self._module, str(theirs.fileno()), str(os.getpid())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                process_group=0,  # the server handles Ctrl-C, and drains
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
        self._running = _Process(process, reader, writer)
        self._send(asdict(self._settings))
        told: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self._settings.startup):
                told = await self._hear(reader)
        except TimeoutError:
            told = {"error": f"not ready after {self._settings.startup:g} s", "user": False}
        finally:
            if "ready" not in told:
                await self._end()
        if "ready" not in told:
            message = str(told.get("error") or "the engine process ended before it was ready")
            raise UserError(message) if told.get("user") else DunwuError(message)
        ready = told["ready"]
        self._facts = Facts(ready["decoder"], ready["positions"], ready["vocabulary"], tuple(ready["stop_token_ids"]))

    async def _hear(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        """The next message; empty at the end."""
        try:
            line = await reader.readline()
            return dict(json.loads(line)) if line else {}
        except (OSError, ValueError):
            return {}

    async def _watch(self) -> None:
        """Hand on what the engine says; when it has ended or hangs, start another."""
        pause = 0.0
        while True:
            if self._running is not None:
                await self._listen(self._running)
                await self._end()
                pause = FIRST_PAUSE
            LOG.warning("the engine has ended; another is started in %.1f s", pause)
            await asyncio.sleep(pause)
            try:
                await self._launch()
                self.restarts += 1
                LOG.warning("the engine is back")
            except (DunwuError, OSError) as error:
                LOG.error("the engine does not start: %s", error)
                pause = min(2 * max(pause, FIRST_PAUSE), LONGEST_PAUSE)

    async def _listen(self, running: _Process) -> None:
        hearing = asyncio.ensure_future(self._hear(running.reader))
        self._heard = time.monotonic()
        try:
            while True:
                await asyncio.wait({hearing}, timeout=TICK)
                if not hearing.done():
                    if self._sinks and time.monotonic() - self._heard > self._settings.stall:
                        LOG.error("the engine has said nothing for %g s and is replaced", self._settings.stall)
                        return
                    continue
                told = hearing.result()
                if not told:
                    return
                self._heard = time.monotonic()
                self._hand_on(told)
                hearing = asyncio.ensure_future(self._hear(running.reader))
        finally:
            hearing.cancel()

    def _hand_on(self, told: Mapping[str, Any]) -> None:
        for number, ids, logprobs, finish, cached in told.get("news", ()):
            self._tell(number, News(tuple(ids), tuple(logprobs), finish, cached))
        for number, reason in told.get("failed", ()):
            self._tell(number, News(error=reason))

    def _tell(self, number: int, news: News) -> None:
        sink = self._sinks.pop(number, None) if news.last else self._sinks.get(number)
        if sink is not None:
            sink(news)

    async def _end(self) -> None:
        """End the process, and all that it was asked."""
        self._facts, running, self._running = None, self._running, None
        if running is not None:
            running.writer.close()
            if running.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.process.pid, signal.SIGKILL)  # Popen's own would reap it before asyncio does
            await running.process.wait()
        sinks, self._sinks = self._sinks, {}
        for sink in sinks.values():
            sink(News(error="The engine stopped while it was answering. Send the request again."))
