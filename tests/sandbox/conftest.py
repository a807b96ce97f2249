from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from dunwu.sandbox.local import LocalSandbox
from dunwu.sandbox.open import probe
from dunwu.sandbox.outcome import Limits, Outcome, Program

QUICK = Limits(cpu_seconds=1, wall_seconds=2.0)
AMPLE = Limits(cpu_seconds=20, wall_seconds=60.0, memory_mib=128)
"""For programs that end by themselves or by another limit than time, also on a busy machine."""

Run = Callable[..., Outcome]


def require(level: int) -> None:
    """Level 2 needs only the kernel, so it can be forced where level 1 is there too."""
    found = probe()
    if found.number > level:
        pytest.skip(f"no sandbox of level {level} here: {found.text}")


@pytest.fixture(scope="session", params=[1, 2], ids=["namespaces", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[LocalSandbox]:
    """One worker of either level."""
    require(request.param)
    if request.param == 2:
        from dunwu.sandbox.open import _failure

        if reason := _failure(2):
            pytest.skip(f"no sandbox of level 2 here: {reason}")
    with LocalSandbox(request.param, 1) as found:
        yield found


@pytest.fixture
def run(sandbox: LocalSandbox) -> Run:
    """A program on one input."""

    def run_it(source: str, given: str = "", limits: Limits = QUICK, **more: Any) -> Outcome:
        (outcome,) = sandbox.run(Program(source, **more), [given], limits)
        return outcome

    return run_it


@pytest.fixture
def honest(sandbox: LocalSandbox) -> Callable[[], Sequence[str]]:
    """What an honest program prints: the sandbox must be whole whatever ran before."""

    def printed() -> Sequence[str]:
        outcomes = sandbox.run(Program("a, b = map(int, input().split())\nprint(a * b)"), ["6 7\n", "-3 5\n"], Limits())
        return [outcome.stdout if outcome.status == "ok" else f"{outcome}" for outcome in outcomes]

    return printed
