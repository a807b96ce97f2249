"""Clients take turns, a slot is never lost, and the queue has an end."""

from __future__ import annotations

import asyncio

import pytest

from dunwu.serving.errors import ApiError
from dunwu.serving.fair_queue import FairQueue


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_clients_take_turns_however_many_requests_they_have() -> None:
    async def order() -> list[str]:
        queue, served = FairQueue(1, 100), list[str]()

        async def ask(client: str) -> None:
            async with queue.slot(client):
                served.append(client)
                await asyncio.sleep(0)

        await asyncio.gather(*(ask(client) for client in ["a"] * 5 + ["b"] * 2 + ["c"]))
        return served

    assert asyncio.run(order()) == ["a", "a", "b", "c", "a", "b", "a", "a"]


def test_no_more_run_than_there_are_slots() -> None:
    async def most() -> int:
        queue, seen = FairQueue(3, 100), list[int]()

        async def ask(client: int) -> None:
            async with queue.slot(str(client)):
                seen.append(queue.running)
                await asyncio.sleep(0)

        await asyncio.gather(*(ask(place % 4) for place in range(20)))
        assert (queue.running, queue.waiting) == (0, 0)
        return max(seen)

    assert asyncio.run(most()) == 3


def test_who_leaves_the_queue_takes_nothing_with_him() -> None:
    async def leave() -> tuple[int, int]:
        queue = FairQueue(1, 100)

        async def hold(seconds: float) -> None:
            async with queue.slot("a"):
                await asyncio.sleep(seconds)

        holding, waiting = asyncio.create_task(hold(10)), [asyncio.create_task(hold(0)) for _ in range(3)]
        await settle()
        waiting[0].cancel()
        await settle()
        assert queue.waiting == 2
        holding.cancel()
        waiting[1].cancel()  # at the moment at which it may get the slot
        await asyncio.gather(holding, *waiting, return_exceptions=True)
        return queue.running, queue.waiting

    assert asyncio.run(leave()) == (0, 0)


def test_a_slot_that_was_given_to_one_who_left_goes_to_the_next() -> None:
    async def given() -> bool:
        queue, done = FairQueue(1, 100), asyncio.Event()

        async def first() -> None:
            async with queue.slot("a"):
                await asyncio.sleep(0.01)

        async def second() -> None:
            async with queue.slot("b"):
                raise AssertionError("it has left")

        async def third() -> None:
            async with queue.slot("c"):
                done.set()

        tasks = [asyncio.create_task(each()) for each in (first, second, third)]
        await settle()
        tasks[0].cancel()
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait_for(done.wait(), 1)
        await asyncio.gather(*tasks, return_exceptions=True)
        return queue.running == 0

    assert asyncio.run(given())


def test_the_queue_has_an_end() -> None:
    async def fill() -> None:
        queue = FairQueue(2, 3)
        queue.check_room(5)
        with pytest.raises(ApiError) as refused:
            queue.check_room(6)
        assert (refused.value.status, refused.value.code) == (503, "overloaded")

    asyncio.run(fill())
