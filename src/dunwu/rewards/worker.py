"""The worker process of the reward pool: ``python -m dunwu.rewards.worker CHANNEL PROGRESS PARENT`` (two descriptors, a process id).

It is not a sandbox: it can be killed, has limited memory, and ends with its parent. It imports only what the reward imports.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import sys
import time

from dunwu.process.child import die_with, limit_memory
from dunwu.rewards.frames import Frames
from dunwu.rewards.outcome import RewardFunction, compute, encode
from dunwu.types import Problem

FLUSH_SECONDS = 0.1


def main() -> None:
    """Serve until the parent closes the channel."""
    channel, progress, parent = map(int, sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    limit_memory()
    with contextlib.suppress(EOFError, OSError):
        serve(Frames(socket.socket(fileno=channel)), progress)


def serve(frames: Frames, progress: int) -> None:
    """The first message is the reward function; the reply is ``ready``. Then chunks of ``(problem, text)`` get their rewards, in order.

    Before each job the number of jobs started so far is written to ``progress``, so that the parent knows which one hangs or crashed.
    """
    reward: RewardFunction = pickle.loads(frames.receive())
    frames.send(b"ready")
    started = 0
    while True:
        jobs: list[tuple[Problem, str]] = pickle.loads(frames.receive())
        rewards, flushed = [], time.monotonic()
        for problem, text in jobs:
            started += 1
            os.pwrite(progress, started.to_bytes(8, "little"), 0)
            rewards.append(compute(reward, problem, text))
            if time.monotonic() - flushed > FLUSH_SECONDS:
                frames.send(encode(rewards))
                rewards, flushed = [], time.monotonic()
        if rewards:
            frames.send(encode(rewards))


if __name__ == "__main__":
    main()
