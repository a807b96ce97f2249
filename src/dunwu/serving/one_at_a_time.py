"""An engine that completes requests one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dunwu.rollout.base import Sampler
from dunwu.types import Request


@dataclass
class Whole:
    """A finished request."""

    id: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str | None
    cached_tokens: int = 0


class OneAtATime:
    """Completes requests in order."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._waiting: dict[int, Request] = {}

    @property
    def busy(self) -> bool:
        """True while a request is unfinished."""
        return bool(self._waiting)

    def submit(self, id: int, request: Request) -> None:
        """Take a request."""
        self._waiting[id] = request

    def cancel(self, id: int) -> None:
        """Forget a request."""
        self._waiting.pop(id, None)

    def step(self) -> Sequence[Whole]:
        """Complete the first request."""
        first = next(iter(self._waiting))
        (completion,) = self._sampler.generate([self._waiting.pop(first)])
        return [Whole(first, completion.tokens.ids, completion.tokens.behaviour_logprobs, completion.finish_reason)]
