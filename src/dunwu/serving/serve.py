"""Runs the server: backends first, then HTTP, until it is told to end; then it takes no more requests, and finishes those it has."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

import uvicorn
from sse_starlette.sse import AppStatus

from dunwu.serving.app import application
from dunwu.serving.connections import PatientProtocol, allow_many_files
from dunwu.serving.keys import Keys
from dunwu.serving.metrics import Metrics
from dunwu.serving.run import Served
from dunwu.serving.service import Service
from dunwu.serving.settings import ServerSettings

DRAIN = 30
"""Seconds for the answers that are being made when the server is told to end."""


def build(served: Mapping[str, Served], settings: ServerSettings) -> Service:
    """The service for models by name, with the gauges of each."""
    metrics = Metrics()
    for each in distinct(served):
        name = each.model.name
        metrics.watch("running", name, lambda each=each: each.queue.running)  # type: ignore[misc]
        metrics.watch("waiting", name, lambda each=each: each.queue.waiting)  # type: ignore[misc]
        metrics.watch("up", name, lambda each=each: each.backend.facts is not None)  # type: ignore[misc]
        metrics.watch("restarts", name, lambda each=each: each.backend.restarts)  # type: ignore[misc]
    return Service(served, settings, metrics)


def distinct(served: Mapping[str, Served]) -> list[Served]:
    """Each model once, whatever its names."""
    return list({id(each): each for each in served.values()}.values())


class _Server(uvicorn.Server):
    """uvicorn's, which by itself sends itself the signal again at its end, before the engines are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def serve(
    service: Service, keys: Keys, listener: socket.socket, ready: Callable[[Sequence[Served]], None], drain: int = DRAIN
) -> None:
    """Serve on ``listener`` until SIGINT or SIGTERM; ``ready`` is called when requests are taken.

    Raises ``DunwuError`` if a model cannot be loaded.
    """
    models = distinct(service.served)
    try:
        await asyncio.gather(*(each.backend.start() for each in models))
        ready(models)
        AppStatus.enable_automatic_graceful_drain = False  # uvicorn waits for streams, and they all end
        allow_many_files()
        config = uvicorn.Config(
            application(service, keys),
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=drain,
        )
        await _Server(config).serve(sockets=[listener])
    finally:
        await asyncio.gather(*(each.backend.close() for each in models))
        service.close()
