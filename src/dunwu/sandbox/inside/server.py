"""The fork server: a warm Python that starts one child per case, waits for it, and reports how it ended.

It never reads a program or an input, holds no secrets, and ignores every signal that its children can send
(as process 1 of its namespace; at level 2 Landlock blocks their signals).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys

from dunwu.sandbox.inside import kernel
from dunwu.sandbox.inside.child import LAST_DESCRIPTOR, run_case
from dunwu.sandbox.inside.confinement import Bounds, Confinement
from dunwu.sandbox.inside.protocol import DESCRIPTORS, JOB, READY, REPLY

PRELOADED = (
    "abc,array,bisect,calendar,cmath,collections,contextlib,copy,dataclasses,datetime,decimal,enum,fractions,functools,heapq,inspect,io,"
    "itertools,json,math,operator,os,queue,random,re,statistics,string,struct,textwrap,threading,time,traceback,types,typing"
)
"""Modules that programs import most, loaded once instead of per case."""


def main() -> None:
    """``argv[1]``: JSON with ``socket``, ``archive`` (descriptors), ``level``, ``readable`` and, below level 1, ``parent``."""
    options = json.loads(sys.argv[1])
    sys.path[:] = [path for path in sys.path[1:] if path]
    _preload()
    os.close(options["archive"])
    _protect(options.get("parent"))
    confinement = Confinement(options["level"], options["readable"])
    channel = socket.socket(fileno=options["socket"])
    channel.sendall(READY)
    gc.collect()
    gc.freeze()
    serve(channel, confinement)


def serve(channel: socket.socket, confinement: Confinement) -> None:
    """Serve cases until the client closes its end or exits."""
    while True:
        header, descriptors, _, _ = socket.recv_fds(channel, JOB.size, DESCRIPTORS)
        if len(header) != JOB.size or len(descriptors) != DESCRIPTORS:
            return
        mode, *bounds = JOB.unpack(header)
        child = os.fork()
        if child == 0:
            run_case(mode, Bounds(*bounds), descriptors, confinement)
        for descriptor in descriptors:
            os.close(descriptor)
        alone = _wait(child, channel)
        _, status, usage = os.wait4(child, 0)
        _clear_up(child)
        if alone:
            return
        channel.sendall(REPLY.pack(status, round((usage.ru_utime + usage.ru_stime) * 1e6), usage.ru_maxrss))


def _wait(child: int, channel: socket.socket) -> bool:
    """Wait for the child to end. If the client goes away first, kill the child and return True."""
    try:
        ended = os.pidfd_open(child)
    except (AttributeError, OSError):  # not Linux, or older than 5.3: if we are killed, the kernel ends the child
        return False
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(channel, 0)  # poll always reports a hang-up
    alone = any(descriptor != ended for descriptor, _ in poll.poll())
    os.close(ended)
    if alone:
        os.kill(child, signal.SIGKILL)
    return alone


def _clear_up(child: int) -> None:
    """Kill what a child left running. Process 1 sees only its own namespace; elsewhere -1 would mean all of the user's processes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _preload() -> None:
    import site

    site.setquit()
    for name in PRELOADED.split(","):
        importlib.import_module(name)


def _protect(parent: int | None) -> None:
    """Make this process unreadable for others, end it with its parent, and limit its descriptors."""
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(LAST_DESCRIPTOR, hard), min(LAST_DESCRIPTOR, hard)))
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        if parent is not None:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        sys.exit(1)
