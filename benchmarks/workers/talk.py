"""One JSON object a line between a benchmark and its worker processes. Standard library only: peers' interpreters run it too."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

Answer = Callable[[dict[str, Any]], None]


def claim_stdout() -> Answer:
    """A function that sends an answer. Whatever else writes to standard output is turned to standard error from here on."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        stream.write(json.dumps(message) + "\n")
        stream.flush()

    return answer


def settings() -> dict[str, Any]:
    """What the benchmark gave on the command line."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def orders() -> Iterator[dict[str, Any]]:
    """One at a time, until the benchmark closes the pipe."""
    for line in sys.stdin:
        yield json.loads(line)
