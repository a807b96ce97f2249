"""Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from dunwu.run.interrupt import Interrupt

LOOP = """
import os, sys, time
from dunwu.run.interrupt import Interrupt
with Interrupt() as interrupt:
    if sys.argv[1] == "worker" and os.fork() == 0:
        print(os.getpid(), flush=True)
        while True:
            time.sleep(0.005)
    if sys.argv[1] == "worker":
        print(os.wait()[1], flush=True)
        sys.exit()
    print("ready", flush=True)
    while not interrupt.requested:
        time.sleep(0.005)
    print("requested", flush=True)
    if sys.argv[1] == "stubborn":
        time.sleep(30)
print("saved", flush=True)
"""


def start(mode: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", LOOP, mode], env=environment, text=True, **pipes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_saves_and_the_process_ends_with_0(number):
    process = start("gentle")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output == "requested\nsaved\n"
    assert errors.strip() == f"{number.name}: saving, then stopping (once more: stop at once)"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_stops_at_once(number, code):
    process = start("stubborn")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "requested\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == code
    assert output == ""


def test_a_forked_worker_survives_ctrl_c_and_dies_of_sigterm():
    process = start("worker")
    worker = int(process.stdout.readline())
    os.kill(worker, signal.SIGINT)
    os.kill(worker, signal.SIGTERM)
    output, errors = process.communicate(timeout=20)
    assert int(output) == signal.SIGTERM
    assert errors == ""


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) != before[0]
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_it_does_nothing():
    found: list[object] = []

    def work() -> None:
        with Interrupt() as interrupt:
            found.extend([interrupt.requested, signal.getsignal(signal.SIGINT)])

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, before]
