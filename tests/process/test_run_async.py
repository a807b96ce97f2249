"""Coroutines from ordinary code: without a loop, beside one that runs, and stopped while they are awaited."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from dunwu.process.run_async import run_async


async def after(value: int) -> int:
    await asyncio.sleep(0)
    if value < 0:
        raise ValueError(value)
    return value


def test_without_a_loop_and_beside_one() -> None:
    async def notebook() -> int:
        return run_async(after(2))

    assert (run_async(after(1)), asyncio.run(notebook())) == (1, 2)


def test_an_error_goes_through() -> None:
    async def notebook() -> int:
        return run_async(after(-1))

    for call in (lambda: run_async(after(-1)), lambda: asyncio.run(notebook())):
        with pytest.raises(ValueError, match="-1"):
            call()


def test_an_interrupt_cancels_the_work() -> None:
    ended = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(0.5)  # by then it is awaited
            os.kill(os.getpid(), signal.SIGUSR1)  # to the main thread, as a terminal or a kernel does
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def notebook() -> None:
        run_async(endless())

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    old = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(TimeoutError):
            asyncio.run(notebook())
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert ended.is_set()
