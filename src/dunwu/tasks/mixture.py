"""A weighted mixture of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random

from dunwu.errors import ConfigError
from dunwu.tasks.base import HeldOut, Task
from dunwu.types import Problem

BLOCK = 1000
"""Number of consecutive training problems in which the weights are exact (to one problem)."""


class Mixture:
    """Draws each training problem from one of several tasks.

    Each block of 1000 problems contains the shares in a random order. Each task's problems are used without gaps, so that an epoch of a
    data set is still one pass.
    """

    name = "mixture"

    def __init__(self, tasks: Sequence[tuple[Task, float]]) -> None:
        if not tasks:
            raise ConfigError("tasks is empty: name at least one")
        self.tasks = [task for task, _ in tasks]
        self._weights = tuple(weight for _, weight in tasks)

    def train(self, index: int, seed: int) -> Problem:
        """The task is chosen by weight; its own index is the number of times it was chosen before."""
        block, offset = divmod(index, BLOCK)
        slots = _slots(self._weights, seed, block)
        chosen = slots[offset]
        return self.tasks[chosen].train(block * slots.count(chosen) + slots[:offset].count(chosen), seed)

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Held-out problems of each task in turn, in proportion to the weights."""
        counts = shares(limit, self._weights)
        return [problem for task, count in zip(self.tasks, counts, strict=True) if count for problem in task.held_out(split, count, seed)]


def shares(total: int, weights: Sequence[float]) -> list[int]:
    """Divide ``total`` in proportion to ``weights`` by largest remainders; the shares add up to ``total``."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda position: (counts[position] - exact[position], position))
    for position in by_remainder[: total - sum(counts)]:
        counts[position] += 1
    return counts


@lru_cache(maxsize=16)
def _slots(weights: tuple[float, ...], seed: int, block: int) -> tuple[int, ...]:
    """The task of each problem of a block."""
    slots = [position for position, count in enumerate(shares(BLOCK, weights)) for _ in range(count)]
    Random(f"{seed}-{block}-mixture").shuffle(slots)
    return tuple(slots)
