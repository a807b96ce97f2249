"""Ctrl-C and SIGTERM outside the train loop, where there is nothing to save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dunwu.errors import Interrupted
from dunwu.run.interrupt import SIGNALS


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Within ``with`` (or as a decorator) SIGINT and SIGTERM raise `Interrupted` immediately.

    For phases that lose only their own time: loading, measuring, reporting. Within the train loop `Interrupt` handles the signals and
    restores this handler. Does nothing outside the main thread, where Python handles no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            # None: the handler was not set from Python and cannot be set again
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Interrupted(f"{signal.Signals(number).name}: stopped; finished parts are saved", number)
