"""No answer takes long: hostile ones of every kind, in the caller's process and with the worker."""

import time

import pytest

from dunwu.verifiers.math import verify as math
from dunwu.verifiers.math.reading import readings
from dunwu.verifiers.math.service import SERVICE, Outcome
from dunwu.verifiers.math.text import clean
from dunwu.verifiers.math.verify import compare_math
from tests.verifiers.hostile_answers import KINDS, hostile

EXACT_SECONDS = 0.5
TOTAL_SECONDS = 3.0
"""Two for the worker, plus the time to kill it and the caller's part."""
REASONS = ("correct", "wrong", "unparsable", "timeout")


TRIES = 3
"""An answer is slow if it is slow each time: once may be due to the garbage collector or another process."""


def slow_ones(cases, limit, clock=time.process_time):
    """``(seconds, kind, gold, answer)`` of answers that took longer than ``limit`` in every try; by default in this process only."""
    found = []
    for kind, gold, answer in cases:
        seconds = judged_in(gold, answer, clock)
        for _ in range(TRIES - 1):
            if seconds > limit:
                forget()
                seconds = min(seconds, judged_in(gold, answer, clock))
        if seconds > limit:
            found.append((seconds, kind, gold, answer[:300]))
    return found


def forget():
    for cached in (math._judge_here, readings, clean):
        cached.cache_clear()


def judged_in(gold, answer, clock=time.process_time):
    began = clock()
    verdict = compare_math(gold, answer)
    seconds = clock() - began
    assert verdict.reason in REASONS, (gold, answer, verdict)
    return seconds


@pytest.fixture
def no_worker(monkeypatch):
    """Comparisons for the worker count as unparsable at once, so that only the caller's process is measured."""
    monkeypatch.setattr(SERVICE, "judge", lambda *_: Outcome("failed", gold_ready=True, detail="not asked"))


@pytest.mark.usefixtures("no_worker")
def test_the_exact_path_is_quick():
    assert slow_ones(hostile(20 * len(KINDS)), EXACT_SECONDS) == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_worker")
def test_the_exact_path_is_quick_for_ten_thousand():
    assert slow_ones(hostile(10_000, seed=12), EXACT_SECONDS) == []


@pytest.mark.slow
def test_the_total_is_bounded():
    assert slow_ones(hostile(10 * len(KINDS), seed=13), TOTAL_SECONDS, time.perf_counter) == []


@pytest.mark.parametrize(
    "answer",
    [
        r"\boxed{\frac{1}{1+\sqrt{999999999989}}}",
        r"\boxed{\frac{1}{7+\sqrt{99999999977}-\sqrt{19999999934}}}",
        r"\boxed{(3+\sqrt{999999999989}-\sqrt{9999999967})^{-7}}",
        r"\sin((1+\sin((1+\sin((1+\sin((1+\sin((1+x)^{30}))^{30}))^{30}))^{30}))^{30})",
        r"\frac{1}{(1+\frac{1}{(1+\frac{1}{(1+\frac{1}{(1+\frac{1}{(1+\ln x)^{29}})^{29}})^{29}})^{29}})^{29}}",
        r"0.\frac0.\frac0.\frac0.",
        r"\frac1e5",
        r"\langle " * 255,
        ":xy" * 680,
        "x: " * 680,
        "5" + "~" * 2000 + "6",
        "5" + r"\ " * 1000 + r"\%",
    ],
    ids=[
        "prime radicand",
        "two radicands",
        "negative power",
        "named powers",
        "named fractions",
        "points",
        "exponents",
        "angles",
        "colons",
        "labels",
        "ties",
        "spaces",
    ],
)
@pytest.mark.usefixtures("no_worker")
def test_the_slowest_and_deepest_known(answer):
    for gold in ("5", r"\frac{1}{x+1}", "(2,-9)"):
        assert judged_in(gold, answer) <= EXACT_SECONDS
