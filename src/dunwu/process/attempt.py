"""The one place that catches every exception: a failed check is a recorded outcome, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def attempt(call: Callable[[], T], failed: Callable[[str], T]) -> T:
    """``call()``, or ``failed("ValueError: ...")``, one line, when it raises; interrupts and exits pass through."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return failed(f"{type(error).__name__}: {' '.join(str(error).split())}"[:200])
