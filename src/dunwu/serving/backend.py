"""What answers the server's requests: the engine in its process (`dunwu.serving.engine_link`), or another server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dunwu.types import SamplingParams


@dataclass(frozen=True, slots=True)
class Call:
    """One completion to make."""

    token_ids: tuple[int, ...]
    params: SamplingParams
    seed: int


@dataclass(frozen=True, slots=True)
class News:
    """What is new of a completion: its next tokens with their log-probabilities. ``finish`` is ``stop`` or ``length`` at its end;
    ``cached`` counts tokens of the prompt that were not computed again; ``error``: there will be no more, and why."""

    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    finish: str | None = None
    cached: int = 0
    error: str = ""

    @property
    def last(self) -> bool:
        """True if nothing follows."""
        return self.finish is not None or bool(self.error)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the backend computes with."""

    decoder: str
    positions: int
    """Most tokens of a prompt with its completion."""
    vocabulary: int
    stop_token_ids: tuple[int, ...]


Sink = Callable[[News], None]
"""Called in the event loop; never after `News.last`."""


class BackendDown(Exception):
    """The backend cannot take a request now."""


class Backend(Protocol):
    """Takes requests as they come."""

    @property
    def facts(self) -> Facts | None:
        """``None`` while it cannot take requests."""
        ...

    @property
    def restarts(self) -> int:
        """How often it has come back."""
        ...

    async def start(self) -> None:
        """Return once it takes requests. Raises ``DunwuError`` if it never will."""
        ...

    def submit(self, call: Call, sink: Sink) -> int:
        """Begin a completion, and return its number. Raises `BackendDown`."""
        ...

    def cancel(self, number: int) -> None:
        """End it, without further news; does nothing once it has ended."""
        ...

    async def close(self) -> None:
        """End everything."""
        ...
