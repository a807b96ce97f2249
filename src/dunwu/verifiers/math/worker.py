"""The worker process of the maths verifier: ``python -m dunwu.verifiers.math.worker CHANNEL`` (a descriptor).

A zygote imports mpmath once and forks a child that serves. Before each request the child arms a timer whose signal, SIGALRM, has its
default action: the kernel ends the process whatever Python or a C library is doing. The zygote reports that on the channel and forks the
next child, which takes milliseconds. Both end when the parent closes the channel or dies; the child also dies with the zygote. This is
not a sandbox: its input was parsed before.

Messages are lines of JSON. A request is ``[id, gold, answer, policy]``. The child sends ``[id, "gold"]`` after it has evaluated the gold,
then ``[id, "equal", true]`` (or false), or ``[id, "failed", message]``; the zygote adds ``[0, "timeout"]`` or ``[0, "died", message]``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

from dunwu.process.attempt import attempt
from dunwu.process.child import die_with, limit_memory
from dunwu.verifiers.math.compare import Comparison
from dunwu.verifiers.math.numeric import FIRST, evaluate
from dunwu.verifiers.math.policy import MathPolicy
from dunwu.verifiers.math.reading import readings_of_pair
from dunwu.verifiers.math.values import Collection, Relation, Scalar, Value

LIMIT_SECONDS = 2.0


def main() -> None:
    """Fork children, one after another, until one ends because the channel is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limit_memory()
    zygote = os.getpid()
    channel = socket.socket(fileno=int(sys.argv[1]))
    from dunwu.verifiers.math import symbolic  # noqa: F401  (loaded before the forks)

    _say(channel, 0, "ready")
    while True:
        child = os.fork()
        if child == 0:
            die_with(zygote)
            serve(channel)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        try:
            _say(channel, 0, "timeout") if ended_by == signal.SIGALRM else _say(channel, 0, "died", f"wait status {status}")
        except OSError:
            return


def serve(channel: socket.socket) -> None:
    """Answer requests until the channel is closed."""
    for line in channel.makefile("r", encoding="utf-8"):
        number, gold, answer, policy = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
        outcome = attempt(lambda: _judge(channel, number, gold, answer, MathPolicy(**policy)), lambda message: message)  # noqa: B023
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(channel, number, *(("failed", outcome) if isinstance(outcome, str) else ("equal", outcome)))


def _judge(channel: socket.socket, number: int, gold: str, answer: str | None, policy: MathPolicy) -> bool:
    """True if ``answer`` equals ``gold``. Without an answer, only the gold is evaluated, to see if that is possible in time."""
    from dunwu.verifiers.math.symbolic import decide

    golds, founds = readings_of_pair(gold, answer or gold, policy)
    for value in golds:
        for scalar in _scalars(value):
            _evaluate(scalar)
    _say(channel, number, "gold")
    if answer is None:
        return True
    comparison = Comparison(policy, decide)
    return any(comparison.equal(value, found) is True for value in golds for found in founds)


def _evaluate(scalar: Scalar) -> None:
    from dunwu.verifiers.math.symbolic import precise

    attempt(lambda: evaluate(scalar.node, FIRST, precise()) if scalar.node else None, lambda _: None)


def _scalars(value: Value) -> Iterator[Scalar]:
    if isinstance(value, Scalar):
        yield value
    elif isinstance(value, Collection | Relation):
        for item in value.items if isinstance(value, Collection) else value.sides:
            yield from _scalars(item)


def _say(channel: socket.socket, *message: Any) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
