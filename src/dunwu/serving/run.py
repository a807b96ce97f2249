"""The completions of one request on a backend: each takes its turn in the queue; all end with the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from dunwu.serving.backend import Backend, BackendDown, Call, News
from dunwu.serving.errors import ApiError, unavailable
from dunwu.serving.fair_queue import FairQueue
from dunwu.serving.model import ServedModel


@dataclass(frozen=True)
class Served:
    """A model, what computes it, and who waits for it."""

    model: ServedModel
    backend: Backend
    queue: FairQueue


def down() -> ApiError:
    """503: the engine is not there."""
    return unavailable("The engine is not running. Try again shortly.", "engine_unavailable")


class Run:
    """``async with`` begins the completions and ends those that are unfinished; ``async for`` gives the news with their places."""

    def __init__(self, served: Served, client: str, calls: Sequence[Call], seconds: float) -> None:
        self._served, self._client, self._calls = served, client, calls
        self._arrived: asyncio.Queue[tuple[int, News]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._unfinished = set(range(len(calls)))
        self._seconds = seconds
        self.expired = False
        """True if the time was up before the end."""

    async def __aenter__(self) -> Self:
        """Raises `ApiError` 503 if the queue is full or the engine is not there."""
        if self._served.backend.facts is None:
            raise down()
        self._served.queue.check_room(len(self._calls))
        self._until = asyncio.get_running_loop().time() + self._seconds
        self._tasks = [asyncio.create_task(self._complete(place, call)) for place, call in enumerate(self._calls)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[tuple[int, News]]:
        while self._unfinished:
            try:
                async with asyncio.timeout_at(self._until):
                    place, news = await self._arrived.get()
            except TimeoutError:
                self.expired = True
                return
            for each, merged in self._merged(place, news):
                if each in self._unfinished:
                    if merged.last:
                        self._unfinished.discard(each)
                    yield each, merged

    def stop(self, place: int) -> None:
        """End one completion."""
        self._unfinished.discard(place)
        self._tasks[place].cancel()

    def _merged(self, place: int, news: News) -> list[tuple[int, News]]:
        """All that has arrived, the news of one completion joined: a slow client gets fewer, larger pieces."""
        found = {place: news}
        while not self._arrived.empty():
            place, later = self._arrived.get_nowait()
            found[place] = _joined(found[place], later) if place in found else later
        return list(found.items())

    async def _complete(self, place: int, call: Call) -> None:
        async with self._served.queue.slot(self._client):
            ended = asyncio.get_running_loop().create_future()

            def note(news: News) -> None:
                self._arrived.put_nowait((place, news))
                if news.last and not ended.done():
                    ended.set_result(None)

            try:
                number = self._served.backend.submit(call, note)
            except BackendDown:
                self._arrived.put_nowait((place, News(error=str(down()))))
                return
            try:
                await ended
            finally:
                self._served.backend.cancel(number)


def _joined(first: News, second: News) -> News:
    return replace(
        second,
        token_ids=first.token_ids + second.token_ids,
        logprobs=first.logprobs + second.logprobs,
        cached=max(first.cached, second.cached),
    )
