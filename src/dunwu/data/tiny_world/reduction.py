"""Reductions of numbers by one operation, and those from which the target can still be reached.

A state is a sorted tuple of numbers. One step replaces two of them by the result of ``+ - * /``. Results are integers from 0 to ``LIMIT``,
which excludes the few solutions that need fractions or large products (the verifiers accept these too).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

LIMIT = 200

State = tuple[int, ...]


class Step(NamedTuple):
    """``left op right = result``, and the remaining numbers (the result among them)."""

    left: int
    op: str
    right: int
    result: int
    state: State

    @property
    def equation(self) -> str:
        return f"{self.left}{self.op}{self.right}={self.result}"


def operations(a: int, b: int) -> list[tuple[int, str, int, int]]:
    """All ``(left, op, right, result)`` on two numbers, the larger one first."""
    high, low = (a, b) if a >= b else (b, a)
    found = [(high, "+", low, high + low), (high, "*", low, high * low), (high, "-", low, high - low)]
    if low > 0 and high % low == 0:
        found.append((high, "/", low, high // low))
    return [each for each in found if each[3] <= LIMIT]


@lru_cache(maxsize=200_000)
def steps(state: State) -> tuple[Step, ...]:
    """Every distinct step from a state."""
    found: dict[tuple[int, str, int], Step] = {}
    for i in range(len(state)):
        for j in range(i + 1, len(state)):
            rest = state[:i] + state[i + 1 : j] + state[j + 1 :]
            for left, op, right, result in operations(state[i], state[j]):
                found.setdefault((left, op, right), Step(left, op, right, result, tuple(sorted((*rest, result)))))
    return tuple(found.values())


@lru_cache(maxsize=1_000_000)
def reachable(state: State, target: int) -> bool:
    """True if some sequence of steps reduces the state to the target."""
    if len(state) == 1:
        return state[0] == target
    return any(reachable(step.state, target) for step in steps(state))


@lru_cache(maxsize=300_000)
def good_steps(state: State, target: int) -> tuple[Step, ...]:
    """The steps after which the target can still be reached."""
    return tuple(step for step in steps(state) if reachable(step.state, target))


def expression(path: list[Step]) -> str:
    """The expression of a complete path, every inner operation in brackets: ``3*7=21, 21+8=29`` gives ``(3*7)+8``.

    If a value is both a given number and a result, the result is expanded at its first use; either choice uses every number once.
    """
    written: list[tuple[int, str]] = []

    def take(value: int) -> str:
        for index in range(len(written) - 1, -1, -1):
            if written[index][0] == value:
                return f"({written.pop(index)[1]})"
        return str(value)

    for step in path:
        left = take(step.left)
        written.append((step.result, f"{left}{step.op}{take(step.right)}"))
    return written[-1][1]
