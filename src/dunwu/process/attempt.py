"""The one place that catches every exception: a failed check is a recorded outcome, never a crash."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeVar

from dunwu.errors import Interrupted

T = TypeVar("T")


def attempt(call: Callable[[], T], failed: Callable[[str], T]) -> T:
    """``call()``, or ``failed("ValueError: ...")`` (one line) if it raises; `SystemExit` is a failure like any other.

    An interrupt passes through, unless Ctrl-C is ignored, as in a worker process: there the code itself raised it.
    """
    return _caught(call, lambda error: failed(_described(error)))


def _caught(call: Callable[[], T], failed: Callable[[BaseException], T]) -> T:
    try:
        return call()
    except BaseException as error:
        if _interrupts(error):
            raise
        return failed(error)


def _described(error: BaseException) -> str:
    """The type and the message; ``str`` of a custom exception may itself raise."""
    kind = type(error).__name__
    return _caught(lambda: f"{kind}: {' '.join(str(error).split())}"[:200], lambda _: f"{kind}: its message cannot be read"[:200])


def _interrupts(error: BaseException) -> bool:
    """True if the error may be a request of the user or the system to stop."""
    stops = isinstance(error, Interrupted) or not isinstance(error, Exception | SystemExit)
    return stops and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
