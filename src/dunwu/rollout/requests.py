"""Requests that come one by one and are answered token by token: what a server needs of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from dunwu.types import Request

Finish = Literal["stop", "length", "cancelled", "error"]
"""How a request ended: a stop token, its ``max_tokens``, ``cancel``, or logits that are not finite."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step gave one request.

    ``token_ids`` are new, a stop token included. ``logprobs`` are behaviour log-probabilities: natural, and of the distribution that the
    token was drawn from, after temperature and filters (`dunwu.rollout.torch_engine.sampling.draw`). ``finish`` is set on the last one.
    ``cached_tokens`` is the number of the prompt's tokens that were already known and not computed again.
    """

    id: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish | None = None
    cached_tokens: int = 0


class RequestEngine(Protocol):
    """Takes requests at any time and moves all of them forward together. Not for several threads at once."""

    def submit(self, request: Request) -> int:
        """Take up a request; its id. Raises ``UserError`` if it can never fit, and nothing changes then."""
        ...

    def cancel(self, id: int) -> None:
        """End a request: the next step reports it as ``cancelled``, and its room is free. An id that has ended is let be."""
        ...

    def step(self) -> list[Progress]:
        """Admit what fits, draw some tokens for each running request, and report those with news. Without requests: nothing."""
        ...

    @property
    def running(self) -> int:
        """Requests that have room: their prompts are being read, or their tokens drawn."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait for room."""
        ...
