"""Ctrl-C and SIGTERM save and stop; the second one stops at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Within ``with``, the first SIGINT or SIGTERM sets ``requested`` and ``number``; the second ends the process with code 130 or 143.

    The loop checks ``requested`` between steps. Does nothing outside the main thread, where Python handles no signals.
    """

    def __init__(self) -> None:
        self.requested = False
        self.number: int = signal.SIGINT
        self._pid = 0
        self._old: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._pid = os.getpid()
            for number in SIGNALS:
                self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._old.items():
            # None: the handler was not set from Python and cannot be set again
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]
        self._old.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            self._handle_in_child(number)
        elif self.requested:
            self._restore()
            os._exit(128 + number)
        else:
            self.requested, self.number = True, number
            # os.write: print is not reentrant, and the signal may have interrupted a print
            os.write(2, f"\n{signal.Signals(number).name}: saving, then stopping (once more: stop at once)\n".encode())

    @staticmethod
    def _handle_in_child(number: int) -> None:
        """A forked worker inherits this handler: it leaves Ctrl-C (sent to the whole group) to its parent, and SIGTERM ends it."""
        if number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
