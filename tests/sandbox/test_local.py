"""The pool: order, threads, workers that are lost, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dunwu.errors import ConfigError
from dunwu.sandbox.local import LocalSandbox
from dunwu.sandbox.outcome import Limits, Program
from tests.sandbox.conftest import AMPLE

DOUBLE = Program("print(2 * int(input()))")


@pytest.fixture
def fresh(sandbox: LocalSandbox) -> Iterator[LocalSandbox]:
    """Three workers of its own."""
    with LocalSandbox(sandbox.level, 3) as found:
        yield found


def workers_of(sandbox: LocalSandbox) -> list[psutil.Process]:
    """Every process that the sandbox has alive, at any depth."""
    roots = [slot._worker.pid for slot in sandbox._slots if slot._worker is not None]
    found = [psutil.Process(pid) for pid in roots]
    return [*found, *(child for process in found for child in process.children(recursive=True))]


def wait_for(condition: object, seconds: float = 10.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_outcomes_are_in_the_order_of_the_inputs(sandbox: LocalSandbox) -> None:
    inputs, half = ["1", "2", "x", "4"], ("runtime_error", "")
    outcomes = sandbox.run(DOUBLE, inputs, Limits())
    assert [(outcome.status, outcome.stdout) for outcome in outcomes] == [("ok", "2\n"), ("ok", "4\n"), half, ("ok", "8\n")]
    assert all(0 < outcome.cpu < 2 and 0 < outcome.wall < 4 and outcome.memory > 0 for outcome in outcomes)
    stopped = sandbox.run(DOUBLE, inputs, Limits(), stop_at_failure=True)
    assert [outcome.status for outcome in stopped] == ["ok", "ok", "runtime_error"]
    assert sandbox.run(DOUBLE, [], Limits(), stop_at_failure=True) == []


def test_many_threads_share_the_workers(fresh: LocalSandbox) -> None:
    def one(number: int) -> str:
        if number % 10 == 3:
            return fresh.run(Program("while True: pass"), [""], Limits(cpu_seconds=1, wall_seconds=0.2))[0].status
        return fresh.run(DOUBLE, [str(number)], Limits())[0].stdout

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(one, range(60)))
    assert answers == ["time_limit" if number % 10 == 3 else f"{2 * number}\n" for number in range(60)]


def test_a_worker_killed_from_outside_is_replaced(fresh: LocalSandbox) -> None:
    """Between two cases nobody notices; in the middle of a case, the case is begun again."""
    assert fresh.run(DOUBLE, ["1"], Limits())[0].stdout == "2\n"
    for process in workers_of(fresh):
        process.kill()
    assert fresh.run(DOUBLE, ["2"], Limits())[0].stdout == "4\n"
    slot = next(slot for slot in fresh._slots if slot._worker is not None)
    assert slot._worker is not None
    victim = slot._worker.pid

    def kill_it() -> None:
        time.sleep(0.3)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_it)
    killer.start()
    (outcome,) = fresh.run(Program("import time; time.sleep(0.8); print(5)"), [""], Limits())
    killer.join()
    assert (outcome.status, outcome.stdout) == ("ok", "5\n")
    assert slot._worker.pid != victim


class _Interrupt(BaseException): ...


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raises `_Interrupt` in the block after some seconds, as Ctrl-C does, and expects it."""

    def interrupt(*_: object) -> None:
        raise _Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with pytest.raises(_Interrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_interrupted_case_leaves_no_answer_for_the_next(fresh: LocalSandbox) -> None:
    assert fresh.run(DOUBLE, ["5"], AMPLE)[0].stdout == "10\n"  # so that the case is interrupted, not the start of its worker
    with interrupted_after(0.3):
        fresh.run(Program("import time; time.sleep(0.6); print('late')"), [""], AMPLE)
    assert [fresh.run(DOUBLE, [str(n)], AMPLE)[0].stdout for n in range(4)] == ["0\n", "2\n", "4\n", "6\n"]


def test_a_worker_interrupted_while_it_starts_leaves_no_process(fresh: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(command: object, passed: tuple[int, ...], errors: object) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"], pass_fds=passed))
        return started[0]

    with monkeypatch.context() as patched:
        patched.setattr("dunwu.sandbox.worker.start", start)
        patched.setattr("dunwu.sandbox.worker.ENDING_SECONDS", 0.1)
        with interrupted_after(0.3):
            fresh.run(DOUBLE, ["1"], AMPLE)
    assert started[0].returncode == -signal.SIGKILL
    assert fresh.run(DOUBLE, ["1"], AMPLE)[0].stdout == "2\n"


def test_a_worker_lost_twice_is_our_error(fresh: LocalSandbox) -> None:
    stop = threading.Event()

    def kill_them() -> None:
        while not stop.wait(0.05):
            for slot in fresh._slots:
                worker = slot._worker
                if worker is not None and worker.alive:
                    os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_them)
    killer.start()
    try:
        (outcome,) = fresh.run(Program("import time; time.sleep(2)"), [""], Limits())
    finally:
        stop.set()
        killer.join()
    assert outcome.status == "sandbox_error"
    assert "worker" in outcome.stderr
    assert fresh.run(DOUBLE, ["3"], Limits())[0].stdout == "6\n"


def test_a_frozen_worker_is_our_error_not_the_programs(fresh: LocalSandbox) -> None:
    """The program has not begun, so its time is not over."""
    fresh.run(DOUBLE, ["1"], Limits())
    for process in workers_of(fresh):
        process.suspend()
    (outcome,) = fresh.run(DOUBLE, ["3"], Limits(wall_seconds=1))
    assert (outcome.status, outcome.stdout) == ("ok", "6\n")


def test_nothing_is_left(fresh: LocalSandbox) -> None:
    """Neither descriptors nor processes, whatever the programs did."""
    programs = [DOUBLE, Program("1/0"), Program("print('x' * (1 << 22))"), Program("import time; time.sleep(9)"), Program("def")]
    limits = Limits(wall_seconds=0.3)
    for program in programs:
        fresh.run(program, ["1"], limits)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        fresh.run(programs[number % 5] if number % 25 == 0 else DOUBLE, ["1"], limits)
    assert len(os.listdir("/proc/self/fd")) <= before
    processes = workers_of(fresh)
    assert all(child.status() != psutil.STATUS_ZOMBIE for child in processes)
    fresh.close()
    wait_for(lambda: all(map(ended, processes)))
    fresh.close()  # once more is once too many, and harmless


def test_nothing_outlives_a_parent_that_is_killed(sandbox: LocalSandbox) -> None:
    script = f"""
    import sys
    from dunwu.sandbox.local import LocalSandbox
    from dunwu.sandbox.outcome import Limits, Program
    sandbox = LocalSandbox({sandbox.level}, 1)
    sandbox.run(Program("print(1)"), [""], Limits())
    print("ready", flush=True)
    sandbox.run(Program("import time; time.sleep(50)"), [""], Limits(wall_seconds=60))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    try:
        assert parent.stdout.readline() == b"ready\n"
        parent_view = psutil.Process(parent.pid)
        wait_for(lambda: len(parent_view.children(recursive=True)) >= sandbox_depth(sandbox))
        processes = parent_view.children(recursive=True)
        parent.kill()
        wait_for(lambda: all(map(ended, processes)))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_no_orphan_is_left_to_init(sandbox: LocalSandbox) -> None:
    """In a container process 1 may be a trainer that never waits for children it did not start."""
    script = f"""
    import ctypes, os
    from dunwu.sandbox.local import LocalSandbox
    from dunwu.sandbox.outcome import Limits, Program
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # orphans below us become our children
    with LocalSandbox({sandbox.level}, 1) as sandbox:
        for source in ("print(1)", "import time; time.sleep(9)", "print('x' * (1 << 22))", "import time; time.sleep(9)"):
            sandbox.run(Program(source), [""], Limits(wall_seconds=0.3))
    try:
        print(os.waitpid(-1, 0))
    except ChildProcessError:
        print("none")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "none\n", done.stderr


def sandbox_depth(sandbox: LocalSandbox) -> int:
    """Server and child, and bubblewrap before them."""
    return 3 if sandbox.level == 1 else 2


def test_a_thread_that_ends_takes_no_worker_along(fresh: LocalSandbox) -> None:
    """The kernel's death signal is for the thread that started a process, not for the process."""
    starter = threading.Thread(target=lambda: fresh.run(DOUBLE, ["1"], Limits()))
    starter.start()
    starter.join()
    processes = workers_of(fresh)
    time.sleep(0.2)
    assert processes
    assert not any(map(ended, processes))


def test_the_environment_and_descriptors_of_the_parent_stay_out(
    fresh: LocalSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUNWU_TEST_CANARY", "SECRET")
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        look = "import os\nprint('SECRET' in str(os.environ))\nfor n in range(3, 256):\n try: print(os.fstat(n))\n except OSError: pass"
        (outcome,) = fresh.run(Program(look), [""], Limits())
    assert outcome.stdout == "False\n"


@pytest.mark.parametrize("limits", [{"cpu_seconds": 0}, {"wall_seconds": float("nan")}, {"memory_mib": -1}, {"output_kib": 1 << 30}])
def test_limits_that_are_none_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(limits))):
        Limits(**limits)  # type: ignore[arg-type]


def test_resource_limits_alone_run_programs_too() -> None:
    with LocalSandbox(3, 1) as unsafe:
        assert unsafe.run(DOUBLE, ["4"], Limits())[0].stdout == "8\n"
        assert unsafe.run(Program("while True: pass"), [""], Limits(cpu_seconds=1))[0].status == "time_limit"
        # A process of its own is possible here, and it does not survive the case.
        (outcome,) = unsafe.run(Program("import os, time\npid = os.fork()\nif pid: print(pid)\nelse: time.sleep(50)"), [""], Limits())
        wait_for(lambda: not psutil.pid_exists(int(outcome.stdout)))
