"""The engine process: it is started, asked, cancelled, and replaced when it dies or hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from dunwu.errors import DunwuError, UserError
from dunwu.serving.backend import BackendDown, Call, News
from dunwu.serving.engine_link import EngineLink, EngineSettings
from dunwu.types import SamplingParams
from tests.serving.fake_engine import DIE, FAIL, HANG, REFUSE


def call(*tokens: int, count: int = 3) -> Call:
    return Call(tokens, SamplingParams(count), 0)


async def whole(link: EngineLink, asked: Call) -> News:
    """All news of a completion, joined."""
    arrived: asyncio.Queue[News] = asyncio.Queue()
    link.submit(asked, arrived.put_nowait)
    ids = list[int]()
    while True:
        news = await asyncio.wait_for(arrived.get(), 20)
        ids += news.token_ids
        if news.last:
            return News(tuple(ids), news.logprobs, news.finish, news.cached, news.error)


def linked(work: Callable[[EngineLink], Awaitable[None]], **more: float) -> None:
    """``work`` with a running link to the parrot."""

    async def run() -> None:
        link = EngineLink(EngineSettings("parrot", **more), "tests.serving.fake_engine")  # type: ignore[arg-type]
        await link.start()
        try:
            await work(link)
        finally:
            await link.close()
        assert link.pid is None

    asyncio.run(run())


async def back(link: EngineLink, restarts: int = 1) -> None:
    async with asyncio.timeout(20):
        while link.facts is None or link.restarts < restarts:
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_completes_requests_together() -> None:
    async def work(link: EngineLink) -> None:
        found = await asyncio.gather(*(whole(link, call(place, count=5)) for place in range(20)))
        assert [news.token_ids for news in found] == [(place,) * 5 for place in range(20)]
        assert {(news.finish, news.cached) for news in found} == {("length", 1)}

    linked(work)


def test_a_cancelled_request_is_not_heard_of_again() -> None:
    async def work(link: EngineLink) -> None:
        heard = list[News]()
        number = link.submit(call(1, count=10_000), heard.append)
        while not heard:
            await asyncio.sleep(0.01)
        link.cancel(number)
        link.cancel(number)
        count = len(heard)
        await whole(link, call(2))
        await asyncio.sleep(0.05)
        assert len(heard) == count

    linked(work)


def test_a_request_that_the_engine_refuses_fails_alone() -> None:
    async def work(link: EngineLink) -> None:
        good, refused, failed = await asyncio.gather(
            whole(link, call(1, count=50)), whole(link, call(REFUSE)), whole(link, call(FAIL, count=1))
        )
        assert good.finish == "length"
        assert "refused" in refused.error
        assert failed.error
        assert link.restarts == 0

    linked(work)


@pytest.mark.parametrize("token", [DIE, HANG])
def test_an_engine_that_dies_or_hangs_is_replaced(token: int) -> None:
    async def work(link: EngineLink) -> None:
        before, began = link.pid, time.monotonic()
        good, bad = await asyncio.gather(whole(link, call(1, count=50)), whole(link, call(token)))
        assert good.error
        assert bad.error
        assert link.facts is None
        with pytest.raises(BackendDown):
            link.submit(call(1), lambda news: None)
        await back(link)
        assert time.monotonic() - began < 10
        assert link.pid not in (None, before)
        assert before is not None
        assert not alive(before)
        assert (await whole(link, call(7))).token_ids == (7, 7, 7)

    linked(work, stall=0.7)


def test_an_engine_that_is_killed_is_replaced_and_nothing_is_left() -> None:
    async def work(link: EngineLink) -> None:
        files = len(os.listdir("/proc/self/fd"))
        for restarts in (1, 2):
            assert link.pid is not None
            os.kill(link.pid, signal.SIGKILL)
            await back(link, restarts)
        assert len(os.listdir("/proc/self/fd")) == files

    linked(work)


def test_an_engine_without_work_may_be_silent() -> None:
    async def work(link: EngineLink) -> None:
        await asyncio.sleep(1.2)
        assert link.restarts == 0
        assert (await whole(link, call(1))).finish == "length"

    linked(work, stall=0.3)


@pytest.mark.parametrize(("model", "kind"), [("missing", UserError), ("broken", DunwuError), ("silent", DunwuError)])
def test_a_model_that_cannot_be_loaded_is_an_error_at_the_start(model: str, kind: type[DunwuError]) -> None:
    async def start() -> None:
        link = EngineLink(EngineSettings(model, startup=2.0), "tests.serving.fake_engine")
        with pytest.raises(kind) as raised:
            await link.start()
        assert isinstance(raised.value, UserError) == (kind is UserError)
        assert link.pid is None
        await link.close()

    asyncio.run(start())
