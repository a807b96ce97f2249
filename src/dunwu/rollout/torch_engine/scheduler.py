"""The one scheduler: requests wait in order, take slots as these become free, and all that have one decode together, each as it asks."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dunwu.rollout.requests import Finish, Progress
from dunwu.types import Request

# Tokens, including padding, of the prompts that are read together; limits what waits for a slot.
PREFILL_TOKENS = 8192


@dataclass(eq=False, slots=True)
class SharedPrompt:
    """A prompt of neighbouring requests, read once for all of them: how many of them wait, and how many have not ended."""

    token_ids: tuple[int, ...]
    waiting: int = 0
    unfinished: int = 0


@dataclass(eq=False, slots=True)
class Ticket:
    """A request on its way: ``told`` of its tokens have been reported; ``cached`` tokens of its prompt did not have to be read."""

    id: int
    request: Request
    prompt: SharedPrompt
    told: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Tokens of a request with their behaviour log-probabilities: all, or with ``start`` those from there on."""

    ticket: Ticket
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    start: int = 0


Waiting = deque[Ticket]
"""Requests that have no slot, in order; those of a prompt stand together."""


class Decoding(Protocol):
    """The slots of a decoder. What a request gets depends on the weights and the request alone, but for rounding by torch."""

    @property
    def running(self) -> int:
        """Requests in slots."""
        ...

    def step(self, waiting: Waiting) -> list[Drawn]:
        """Give free slots to the first of ``waiting``, draw for every slot, remove and return the requests that have ended."""
        ...

    def news(self) -> list[Drawn]:
        """What each request in a slot has drawn since it was told."""
        ...

    def remove(self, ticket: Ticket, sound: bool = True) -> None:
        """Free the slot and the prompt of a request, or if it waits what its prompt has. Not ``sound``: what it holds is not finite."""
        ...


class Scheduler:
    """Answers requests with a ``Decoding``; see ``RequestEngine``.

    ``streams``: a step reports all new tokens; else each request is reported once, when it ends. ``check`` raises for a request that
    cannot be answered; ``wake`` is called before the first step after a time without requests.
    """

    def __init__(
        self,
        decoding: Decoding,
        streams: bool = True,
        check: Callable[[Request], None] = lambda request: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._decoding, self._streams, self._check, self._wake = decoding, streams, check, wake
        self._tickets: dict[int, Ticket] = {}
        self._waiting: Waiting = deque()
        self._cancelled: list[Progress] = []
        self._next = 0

    @property
    def running(self) -> int:
        """See ``RequestEngine.running``."""
        return self._decoding.running

    @property
    def waiting(self) -> int:
        """See ``RequestEngine.waiting``."""
        return len(self._waiting)

    def submit(self, request: Request) -> int:
        """See ``RequestEngine.submit``."""
        self._check(request)
        last = self._waiting[-1].prompt if self._waiting else None
        prompt = last if last is not None and last.token_ids == request.token_ids else SharedPrompt(request.token_ids)
        prompt.waiting, prompt.unfinished = prompt.waiting + 1, prompt.unfinished + 1
        ticket = Ticket(self._next, request, prompt)
        self._tickets[ticket.id] = ticket
        self._waiting.append(ticket)
        self._next += 1
        return ticket.id

    def cancel(self, id: int) -> None:
        """See ``RequestEngine.cancel``."""
        if id in self._tickets:
            ticket = self._tickets[id]
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                ticket.prompt.waiting -= 1
            self._cancelled.append(self._end(ticket, Drawn(ticket, (), (), ticket.told), "cancelled"))
            self._decoding.remove(ticket)

    def step(self) -> list[Progress]:
        """See ``RequestEngine.step``."""
        told, self._cancelled = self._cancelled, []
        if not self._tickets:
            return told
        if not self._decoding.running:
            self._wake()
        ended = self._decoding.step(self._waiting)
        told += [self._end(drawn.ticket, drawn, finish_of(drawn)) for drawn in ended]
        for drawn in self._decoding.news() if self._streams else ():
            if finite(drawn):
                told.append(self._progress(drawn, None))
            else:
                told.append(self._end(drawn.ticket, drawn, "error"))
                self._decoding.remove(drawn.ticket, sound=False)
        return told

    def _end(self, ticket: Ticket, drawn: Drawn, finish: Finish) -> Progress:
        del self._tickets[ticket.id]
        return self._progress(drawn, finish)

    def _progress(self, drawn: Drawn, finish: Finish | None) -> Progress:
        ticket = drawn.ticket
        new = ticket.told - drawn.start
        ticket.told = drawn.start + len(drawn.token_ids)
        return Progress(ticket.id, drawn.token_ids[new:], drawn.logprobs[new:], finish, ticket.cached)


def finite(drawn: Drawn) -> bool:
    """False if the model is broken."""
    return all(map(math.isfinite, drawn.logprobs))


def finish_of(drawn: Drawn) -> Finish:
    """How a request that ended by itself ended."""
    if not finite(drawn):
        return "error"
    return "stop" if drawn.token_ids[-1] in drawn.ticket.request.params.stop_token_ids else "length"
