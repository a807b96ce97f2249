"""Programs that want out, want all, or want a reward for nothing: each is judged, leaves no trace, and the next honest run is right."""

from __future__ import annotations

import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dunwu.sandbox.outcome import Limits
from tests.sandbox.conftest import QUICK, Run

SEARCH = "import gc, sys\nSOUGHT = 'TERCES'[::-1]\n"
LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"

ESCAPES = {
    "write a file": "open({mark!r}, 'w').write('x')",
    "write into the package": "import json; open(json.__file__, 'a')",
    "write into /dev": "open('/dev/leaves', 'w')",
    "shared memory": "open('/dev/shm/leaves', 'w')",
    "make a folder": "import os; os.mkdir({mark!r})",
    "temporary file": "import tempfile; tempfile.TemporaryFile()",
    "read a secret": "print(open('/etc/shadow').read())",
    "read the host's name service": "print(open('/etc/hosts').read())",
    "read the home folder": "import os; print(os.listdir('/root'))",
    "read the root of the parent": "import os; print(os.listdir('/proc/1/root'))",
    "memory of the server": "print(open('/proc/1/mem', 'rb').read(1))",
    "environment of the server": "print(open('/proc/1/environ').read())",
    "descriptors of the server": "import os; print(os.listdir('/proc/%d/fd' % os.getppid()))",
    "memory of oneself, to write": "f = open('/proc/self/mem', 'r+b'); f.seek(4096); f.write(b'x'); f.flush()",
    "a core pattern": "open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/sh')",
    "a system key": "open('/proc/sysrq-trigger', 'w').write('b')",
    "a disk": "open('/dev/vda', 'rb')",
    "a terminal": "open('/dev/tty', 'r+')",
    "kill the server": "import os; os.kill(os.getppid(), 9)",
    "kill process 1": "import os; os.kill(1, 15)",
    "kill everything": "import os; os.kill(-1, 9)",
    "kill by pidfd": "import os, signal; signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
    "limits of the server": "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))",
    "own limits up": "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    "priority of the server": "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "fork": "import os; os.fork()",
    "a process": "import subprocess; subprocess.run(['/bin/true'])",
    "a shell": "import os, sys; sys.exit(0 if os.system('true') == 0 else 1)",
    "spawn": "import os; os.posix_spawn('/bin/true', ['true'], {{}})",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "multiprocessing": "import multiprocessing as m; p = m.get_context('fork').Process(target=print); p.start()",
    "memory file": "import os; os.memfd_create('x')",
    "a socket": "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
    "a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "a datagram pair": "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a host's socket": "import socket; socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK)",
    "change the root": "import os; os.chroot('/usr')",
    "become root": "import os; os.setuid(0)",
    "a lock on a system file": "import fcntl; fcntl.flock(open('/usr/bin/env'), fcntl.LOCK_EX)",
    "a lease on a system file": "import fcntl; fcntl.fcntl(open('/usr/bin/env'), fcntl.F_SETLEASE, fcntl.F_RDLCK)",
    "signals by a descriptor": "import fcntl, os; fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    "typing into a terminal": "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
    "a handler for crashes": "import ctypes; assert ctypes.CDLL(None).prctl(4, 0) == 0",
}
"""Each raises or is refused where it stands."""

BARE_CALLS = {
    "clone into a namespace": (56, 0x10000000, 0, 0, 0, 0),
    "clone3": (435, 0, 0),
    "unshare": (272, 0x10000000),
    "mount": (165, 0, 0, 0, 0, 0),
    "ptrace": (101, 16, 1, 0, 0),
    "memory of another process": (310, 1, 0, 0, 0, 0, 0),
    "io_uring": (425, 8, 0),
    "bpf": (321, 0, 0, 0),
    "keys": (250, 0, -3, 0),
    "perf": (298, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 0),
    "exec of a descriptor": (322, 0, 0, 0, 0, 0x1000),
    "another filter": (317, 0, 0, 0),
    "handles": (304, 0, 0, 0),
    "the table of x32": (0x40000000 | 57,),
}
"""Numbers of x86_64."""

FORGERIES = {
    "leave early": "raise SystemExit(0)",
    "leave at once": "import os; os._exit(0)",
    "leave by a signal handler": "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); os.kill(os.getpid(), 15)",
    "leave in the exit functions": "import atexit, os; atexit.register(os._exit, 0)",
    "close the output": "import os; os.close(1); os.close(2)",
    "another sys.stdout": "import io, sys; sys.stdout = io.StringIO(); print('SECRET')",
    "search the frames": SEARCH + "f = sys._getframe(1)\n"
    "while f:\n    print(*('FOUND' for v in (f.f_locals, f.f_globals) if SOUGHT in str(v)), end='')\n    f = f.f_back",
    "search the heap": SEARCH + "print(*('FOUND' for o in gc.get_objects() if isinstance(o, (list, tuple, dict)) and SOUGHT in o), end='')",
    "search open files": "import os\nfor n in range(3, 300):\n    try: print(n, os.fstat(n))\n    except OSError: pass",
    "search the environment": "import os\nif len(os.environ) > 4: print(os.environ)",
}
"""Each ends without an error and prints nothing; what they look for is not there."""


@pytest.fixture
def mark() -> Path:
    """A place that every user of the host may write to."""
    return Path(tempfile.gettempdir()) / f"dunwu-attack-{uuid.uuid4().hex}"


@pytest.mark.parametrize("name", ESCAPES)
def test_escapes_are_refused(name: str, run: Run, honest: Callable[[], Sequence[str]], mark: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = run(ESCAPES[name].format(mark=str(mark), port=listener.getsockname()[1]))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert outcome.status == "runtime_error", outcome
    assert outcome.stdout == ""
    assert not mark.exists()
    assert honest() == ["42\n", "-15\n"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("name", BARE_CALLS)
def test_system_calls_without_a_library(name: str, run: Run, honest: Callable[[], Sequence[str]]) -> None:
    arguments = ", ".join(f"ctypes.c_long({argument})" for argument in BARE_CALLS[name])
    outcome = run(f"{LIBC}print(libc.syscall({arguments}), ctypes.get_errno())")
    assert outcome.stdout in ("-1 1\n", "-1 38\n"), outcome  # not permitted, or no such call
    assert honest() == ["42\n", "-15\n"]


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_find_nothing(name: str, run: Run, honest: Callable[[], Sequence[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUNWU_TEST_CANARY", "SECRET")
    outcome = run(FORGERIES[name], "no secret here\n")
    assert (outcome.status, outcome.stdout) == ("ok", ""), outcome
    assert honest() == ["42\n", "-15\n"]


RESOURCES: dict[str, tuple[str, set[str]]] = {
    "spin": ("while True: pass", {"time_limit"}),
    "spin and swallow": ("while True:\n try:\n  while True: pass\n except BaseException: pass", {"time_limit"}),
    "spin and ignore the signal": ("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", {"time_limit"}),
    "spin in C": ("sum(range(10**12))", {"time_limit"}),
    "a power tower": ("9**9**9**9", {"time_limit", "memory_limit"}),
    "sleep": ("import time; time.sleep(60)", {"time_limit"}),
    "wait for a signal": ("import signal; signal.pause()", {"time_limit"}),
    "stop oneself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {"time_limit"}),
    "a thread that goes on": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
        {"time_limit"},
    ),
    "threads that spin": (
        "import threading\ndef f():\n while True: pass\nfor _ in range(8): threading.Thread(target=f).start()",
        {"time_limit"},
    ),
    "memory in small pieces": ("x = []\nwhile True: x.append(bytearray(1 << 16))", {"memory_limit"}),
    "memory at once": ("bytearray(1 << 40)", {"memory_limit"}),
    "memory for C": (
        f"{LIBC}libc.malloc.restype = ctypes.c_void_p\nwhile libc.malloc(ctypes.c_size_t(1 << 24)): pass\nraise SystemExit(3)",
        {"runtime_error"},
    ),
    "many threads": (
        "import threading\nstop = threading.Event()\nthreading.stack_size(1 << 16)\n"
        "for _ in range(10**5): threading.Thread(target=stop.wait, daemon=True).start()\nstop.wait()",
        {"runtime_error", "memory_limit", "time_limit"},
    ),
    "many files": ("x = [open('/usr/bin/env') for _ in range(1000)]", {"runtime_error"}),
    "output in lines": ("while True: print('x' * 100)", {"output_limit"}),
    "output in one line": ("import sys; sys.stdout.write('x' * (1 << 27))", {"output_limit"}),
    "errors": ("import sys\nwhile True: sys.stderr.write('x' * 100)", {"output_limit"}),
    "recursion": ("def f(): f()\nf()", {"runtime_error"}),
    "recursion in C": (
        "import sys\nsys.setrecursionlimit(1 << 30)\nclass A:\n def __repr__(self): return repr(self)\nrepr(A())",
        {"runtime_error", "memory_limit"},
    ),
    "a crash": ("import ctypes; ctypes.string_at(0)", {"runtime_error"}),
    "kill oneself": ("import os; os.kill(os.getpid(), 9)", {"runtime_error"}),
    "abort": ("import os; os.abort()", {"runtime_error"}),
    "interrupt": ("raise KeyboardInterrupt", {"runtime_error"}),
    "exit with a number": ("raise SystemExit(3)", {"runtime_error"}),
    "exit with a text": ("import sys; sys.exit('no')", {"runtime_error"}),
    "an exception that raises": ("class E(Exception):\n def __str__(self): raise E\nraise E", {"runtime_error"}),
    "break the way out": ("import os, traceback\nos._exit = print\ntraceback.print_exception = None\nraise ValueError", {"runtime_error"}),
}  # fmt: skip

PARSERS = {
    "null bytes": "print(1)\0",
    "half a pair": "print('\ud800')",
    "not a program": "Sure! Here is the program:",
    "deep brackets": "(" * 5000 + ")" * 5000,
    "deep minus": "-" * 100_000 + "1",
    "a codec": "# -*- coding: nonsense -*-\nprint(1)",
    "long digits": "1" * 100_000,
}


@pytest.mark.parametrize("name", RESOURCES)
def test_nothing_without_limit(name: str, run: Run, honest: Callable[[], Sequence[str]]) -> None:
    source, statuses = RESOURCES[name]
    limits = QUICK if "time_limit" in statuses else replace(QUICK, cpu_seconds=20, wall_seconds=60.0)
    outcome = run(source, limits=limits)
    assert outcome.status in statuses, outcome.stderr
    assert outcome.wall < limits.wall_seconds + 1
    assert len(outcome.stdout) < 1.1 * (QUICK.output_kib << 10)
    assert len(outcome.stderr) <= 2048
    assert honest() == ["42\n", "-15\n"]


@pytest.mark.parametrize("name", PARSERS)
def test_texts_that_are_no_programs(name: str, run: Run, honest: Callable[[], Sequence[str]]) -> None:
    assert run(PARSERS[name]).status == "compile_error"
    assert honest() == ["42\n", "-15\n"]


def test_limits_follow_the_order(run: Run) -> None:
    assert run("bytearray(300 << 20)").status == "ok"
    assert run("bytearray(300 << 20)", limits=Limits(memory_mib=256)).status == "memory_limit"
    assert run("print('x' * 2000)").status == "ok"
    assert run("print('x' * 2000)", limits=Limits(output_kib=1)).status == "output_limit"


def test_a_few_threads_are_fine(run: Run) -> None:
    source = "import threading\nthreading.stack_size(1 << 26)\nt = threading.Thread(target=lambda: print(sum(range(10))))\nt.start()"
    assert run(source).stdout == "45\n"


def test_nothing_runs_as_root(run: Run) -> None:
    outcome = run("import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), *os.getgroups())")
    numbers = {int(word) for word in outcome.stdout.split()}
    assert 0 not in numbers
    assert os.getuid() in numbers or os.getuid() == 0


def test_no_capability_is_left(run: Run) -> None:
    outcome = run(f"{LIBC}data = (ctypes.c_uint32 * 6)()\nprint(libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), data), *data)")
    assert outcome.stdout.split()[0] == "-1"  # not even asking is allowed
    assert run("open('/proc/self/setgroups', 'w')").status == "runtime_error"


def test_cases_share_nothing(run: Run) -> None:
    leave = "import builtins, math, sys\nbuiltins.left = math.left = sys.left = 1\nmath.sqrt = None\nprint(hash('a'))"
    look = "import builtins, math, sys\nprint([hasattr(m, 'left') for m in (builtins, math, sys)], math.sqrt(4))"
    first, second = run(leave), run(leave)
    assert first.stdout == second.stdout != ""  # the hash seed is fixed
    assert run(look).stdout == "[False, False, False] 2.0\n"
