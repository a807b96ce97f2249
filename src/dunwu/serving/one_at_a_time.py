"""An engine that completes requests one after the other."""

from __future__ import annotations

from itertools import count

from dunwu.rollout.base import Sampler
from dunwu.rollout.requests import Progress
from dunwu.types import Request


class OneAtATime:
    """A `RequestEngine` that completes requests in order, each as a whole."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._waiting: dict[int, Request] = {}
        self._cancelled: list[int] = []
        self._ids = count()

    @property
    def running(self) -> int:
        """See `RequestEngine.running`."""
        return len(self._cancelled)

    @property
    def waiting(self) -> int:
        """See `RequestEngine.waiting`."""
        return len(self._waiting)

    def submit(self, request: Request) -> int:
        """See `RequestEngine.submit`."""
        identity = next(self._ids)
        self._waiting[identity] = request
        return identity

    def cancel(self, id: int) -> None:
        """See `RequestEngine.cancel`."""
        if self._waiting.pop(id, None) is not None:
            self._cancelled.append(id)

    def step(self) -> list[Progress]:
        """See `RequestEngine.step`."""
        ended, self._cancelled = [Progress(each, (), (), "cancelled") for each in self._cancelled], []
        if not self._waiting:
            return ended
        first = next(iter(self._waiting))
        (completion,) = self._sampler.generate([self._waiting.pop(first)])
        return [*ended, Progress(first, completion.tokens.ids, completion.tokens.behaviour_logprobs, completion.finish_reason)]
