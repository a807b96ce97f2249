"""How the server behaves: limits, rules and access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rules = Literal["later", "r1"]


@dataclass(frozen=True)
class ServerSettings:
    """Limits of each request and of all together.

    ``rules``: those of DeepSeek's API at the time of R1 (`r1`: a chain of thought that is sent back is refused, turns must alternate, and
    `deepseek-reasoner` ignores the sampling parameters and refuses `logprobs`), or the lenient ones that came later.
    """

    rules: Rules = "later"
    slots: int = 64
    """Completions made at once."""
    queue: int = 256
    """Completions that may wait; further ones are refused with 503."""
    max_tokens: int = 32_768
    """Most tokens of a completion, chain of thought included; also the default, as far as the context has room."""
    max_choices: int = 16
    """Completions of one request."""
    max_body: int = 1 << 20
    """Bytes of a request's body."""
    body_seconds: float = 30.0
    """Time for a client to send its request."""
    deadline: float = 600.0
    """Seconds for a request, the time in the queue included."""
    keep_alive: float = 10.0
    """Seconds between two comments of a stream that has nothing else to send."""
    hosts: tuple[str, ...] = ()
    """Names under which the server may be addressed; empty: any."""
    origins: tuple[str, ...] = ()
    """Web pages' origins that may call it (CORS); none by default."""
    log_contents: bool = False
    """Write questions and answers into the access log."""
