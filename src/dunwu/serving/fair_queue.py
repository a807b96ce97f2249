"""Who is served next: a bounded queue in which clients take turns, however many requests each of them has."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dunwu.serving.errors import unavailable


class FairQueue:
    """``slots`` requests run at once and at most ``bound`` wait; the next is of the client that has waited longest for a turn."""

    def __init__(self, slots: int, bound: int) -> None:
        self._free, self._bound = slots, bound
        self._slots = slots
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def running(self) -> int:
        """Slots in use."""
        return self._slots - self._free

    @property
    def waiting(self) -> int:
        """Requests without a slot."""
        return sum(map(len, self._waiting.values()))

    def check_room(self, count: int) -> None:
        """Raise 503 if ``count`` more requests do not fit into the queue."""
        if self.waiting + count > self._bound + self._free:
            raise unavailable(f"The server is busy: {self.waiting} requests are waiting. Try again shortly.", "overloaded")

    @asynccontextmanager
    async def slot(self, client: str) -> AsyncIterator[None]:
        """Waits for a slot, and gives it back."""
        await self._take(client)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, client: str) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()
            else:
                self._forget(client, turn)
            raise

    def _forget(self, client: str, turn: asyncio.Future[None]) -> None:
        if client in self._waiting and turn in self._waiting[client]:
            self._waiting[client].remove(turn)
            if not self._waiting[client]:
                del self._waiting[client]

    def _give_back(self) -> None:
        while self._waiting:
            client, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns  # behind the other clients
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1
