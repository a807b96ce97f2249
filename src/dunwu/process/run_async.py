"""Runs a coroutine from synchronous code, even if an event loop is already running, as in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """The return value of ``work``. If a loop is already running, it runs in a separate thread; an interrupt cancels it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    started = Future[tuple[asyncio.AbstractEventLoop, asyncio.Future[T]]]()

    async def cancellable() -> T:
        task = asyncio.ensure_future(work)
        started.set_result((asyncio.get_running_loop(), task))
        return await task

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(asyncio.run, cancellable())
        try:
            return done.result()
        finally:
            if not done.done():
                loop, task = started.result()
                loop.call_soon_threadsafe(task.cancel)
