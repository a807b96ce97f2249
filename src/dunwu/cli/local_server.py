"""A server for one model on this machine, for as long as a command needs it: a child process that ends with us."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import IO

import httpx

from dunwu.errors import DunwuError, UserError
from dunwu.serving.client import Client
from dunwu.serving.keys import VARIABLE

_PROGRAM = """
import sys
from dunwu.process.child import die_with
die_with(int(sys.argv[1]))
from dunwu.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
PATIENCE = 600.0
"""Seconds for the model to be loaded."""
END_SECONDS = 5.0


@contextmanager
def local_server(model: str, options: Sequence[str]) -> Iterator[Client]:
    """`dunwu serve MODEL` with further options, on a free port of the loopback interface and with a key that only we know.

    Raises what the server says if it does not start. Ctrl-C does not reach it.
    """
    address, key = f"http://127.0.0.1:{_free_port()}", secrets.token_urlsafe(32)
    arguments = ["serve", model, "--port", address.rpartition(":")[2], "--no-access-log", "--drain", "0", *options]
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    with tempfile.TemporaryFile() as said, httpx.Client(trust_env=False, timeout=2.0) as checking:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, VARIABLE: key, "PYTHONPATH": path},
            process_group=0,
        )
        try:
            _wait(process, checking, address, said)
            with closing(Client(address, key)) as client:
                yield client
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], checking: httpx.Client, address: str, said: IO[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise _failure(process.returncode, said)
        try:
            if checking.get(f"{address}/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise DunwuError(f"the model is not ready after {PATIENCE:g} s")


def _failure(code: int, said: IO[bytes]) -> DunwuError:
    """What the server said last, as an error of the same kind."""
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines() or [f"the engine ended with exit code {code}"]
    return (UserError if code == 2 else DunwuError)(lines[-1].removeprefix("dunwu: "))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
