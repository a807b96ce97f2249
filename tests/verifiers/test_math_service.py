"""The worker process: decisions, failures and clean-up."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from dunwu.verifiers.math.policy import MathPolicy
from dunwu.verifiers.math.service import SERVICE, MathService
from dunwu.verifiers.math.verify import compare_math

POLICY = MathPolicy()
SLOW = ("e^{1000}", "e^{e^{e^{10}}}")
"""Two numbers too large for doubles: the worker compares them, and could not finish without a bound on exponents."""


@pytest.fixture(scope="module")
def unbounded(tmp_path_factory):
    """Workers started in these tests have no such bound, so that a comparison takes too long."""
    folder = tmp_path_factory.mktemp("unbounded")
    text = "from dunwu.verifiers.math import numeric\nnumeric.LARGEST_EXPONENT = float('inf')\n"
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        SERVICE.close()
        yield
        SERVICE.close()


@pytest.fixture(scope="module")
def service(unbounded):
    made = MathService()
    made.start()
    yield made
    made.close()


def family(service):
    zygote = psutil.Process(service._process.pid)
    deadline = time.monotonic() + 10
    while not zygote.children() and time.monotonic() < deadline:
        time.sleep(0.01)
    return zygote, zygote.children()[0]


def test_the_worker_decides_what_doubles_cannot(service):
    assert service.judge(r"\ln 6", r"\ln 2 + \ln 3", POLICY).equal
    assert not service.judge("e", "e+10^{-30}", POLICY).equal
    assert service.judge(r"\overline{AB} + 1", r"1 + \overline{AB}", POLICY).kind == "equal"


def test_a_timeout_ends_only_the_child(service):
    zygote, child = family(service)
    outcome = service.judge(*SLOW, POLICY)
    assert (outcome.kind, outcome.gold_ready) == ("timeout", True)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert family(service)[0] == zygote
    assert service.judge("x", "x", POLICY).equal
    assert len(zygote.children()) == 1


def test_a_timeout_scores_0_unless_the_gold_caused_it(unbounded):
    verdict = compare_math(*SLOW)
    assert (verdict.score, verdict.reason) == (0.0, "timeout")
    verdict = compare_math(SLOW[1], "e^{1000}")
    assert (verdict.score, verdict.reason) == (None, "timeout")


def test_a_child_or_zygote_that_is_killed_is_replaced(service):
    zygote, child = family(service)
    child.kill()
    assert service.judge("x", "x", POLICY).equal
    _, child = family(service)
    zygote.kill()
    child.wait(10)  # it dies with the zygote, but could still answer until then
    assert service.judge("x", "x", POLICY).equal
    assert family(service)[0] != zygote


def test_a_frozen_worker_is_noticed(service):
    _, child = family(service)
    child.send_signal(signal.SIGSTOP)
    assert service.judge("x", "x", POLICY).kind == "timeout"
    assert service.judge("x", "x", POLICY).equal
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_threads_share_the_worker(service):
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append((n, service.judge(rf"\ln {n}", rf"2 \ln \sqrt{{{n}}}", POLICY).equal)))
        for n in range(2, 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(n, True) for n in range(2, 10)]


def test_close_releases_everything():
    service = MathService()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(2, 30):
        assert service.judge(rf"\ln {n}", rf"\frac{{1}}{{2}}\ln {n * n}", POLICY).equal
    zygote, child = family(service)
    service.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    psutil.wait_procs([zygote, child], timeout=10)
    assert not zygote.is_running()
    assert not child.is_running()


def test_workers_end_when_the_parent_is_killed():
    code = (
        "import time; from dunwu.verifiers.math.service import SERVICE as s; s.start(); print(s._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert parent.stdout is not None
    zygote = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([zygote], timeout=10)[1] == []
