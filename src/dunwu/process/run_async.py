"""A coroutine from ordinary code, also where an event loop runs already, as in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns. Beside a running loop it has a thread of its own; an interrupt while it is awaited cancels it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun = Future[tuple[asyncio.AbstractEventLoop, asyncio.Future[T]]]()

    async def cancellable() -> T:
        task = asyncio.ensure_future(work)
        begun.set_result((asyncio.get_running_loop(), task))
        return await task

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(asyncio.run, cancellable())
        try:
            return done.result()
        finally:
            if not done.done():
                loop, task = begun.result()
                loop.call_soon_threadsafe(task.cancel)
