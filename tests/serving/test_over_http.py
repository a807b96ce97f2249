"""Real connections: clients that leave, that are slow, that are many; an engine that is killed; the end of the server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = {"model": "toy", "prompt": [65, 66], "max_tokens": 100_000 - 10, "stream": True}
"""Takes minutes."""


@contextlib.contextmanager
def serving(slots: int = 4, drain: int = 10) -> Iterator[tuple[httpx.Client, subprocess.Popen[str], int]]:
    """A client, the server's process and the id of its engine's."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    command = [sys.executable, "-m", "tests.serving.parrot_server", str(slots), str(drain)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment)
    assert process.stdout is not None
    try:
        address, engine = process.stdout.readline().split()
        with httpx.Client(base_url=address, timeout=20) as client:
            yield client, process, int(engine)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[httpx.Client, int]]:
    with serving() as (client, _, engine):
        yield client, engine


@pytest.fixture(scope="module")
def client(server: tuple[httpx.Client, int]) -> httpx.Client:
    return server[0]


def until(condition: Callable[[], bool], seconds: float) -> float:
    """The seconds until it is true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def running(client: httpx.Client) -> int:
    lines = client.get("/metrics").text.splitlines()
    return round(sum(float(line.split()[-1]) for line in lines if line.startswith(("dunwu_running{", "dunwu_waiting{"))))


def test_a_client_that_leaves_a_stream_frees_its_slot(client: httpx.Client) -> None:
    with client.stream("POST", "/v1/completions", json=LONG) as response:
        events = response.iter_lines()
        next(events)
        assert running(client) == 1
    assert until(lambda: running(client) == 0, 5) < 1
    charged = [line for line in client.get("/metrics").text.splitlines() if line.startswith('dunwu_tokens_total{kind="completion"}')]
    assert float(charged[0].split()[-1]) > 0, "what was made for it is counted"


def test_a_client_that_leaves_before_its_answer_frees_its_slot(client: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/completions", json={**LONG, "stream": False, "n": 3}, timeout=0.3)
    assert until(lambda: running(client) == 0, 5) < 1


def test_a_client_that_leaves_the_queue_frees_its_place(client: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/completions", json={**LONG, "stream": False, "n": 8}, timeout=0.3)
    assert until(lambda: running(client) == 0, 5) < 1


def test_a_thousand_slow_connections_hinder_nobody(client: httpx.Client) -> None:
    place = urlsplit(str(client.base_url))
    with contextlib.ExitStack() as connections:
        for number in range(1000):
            slow = connections.enter_context(socket.create_connection((place.hostname, place.port), timeout=10))
            head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            slow.sendall(head if number % 2 else head + b"Content-Length: 100\r\n\r\n{")
        began = time.monotonic()
        answer = client.post("/v1/completions", json={"model": "toy", "prompt": [65, 66], "max_tokens": 4})
        assert answer.json()["usage"]["completion_tokens"] == 4
        assert client.get("/health").status_code == 200
        assert time.monotonic() - began < 2


def test_an_engine_that_is_killed_turns_health_and_comes_back(server: tuple[httpx.Client, int]) -> None:
    client, engine = server
    with client.stream("POST", "/v1/completions", json=LONG) as response:
        lines = response.iter_lines()
        next(lines)
        os.kill(engine, signal.SIGKILL)
        assert '"code":"engine_failed"' in [line for line in lines if line][-1]
    assert client.get("/health").status_code == 503
    until(lambda: client.get("/health").status_code == 200, 10)
    assert client.post("/v1/completions", json={"model": "toy", "prompt": [65], "max_tokens": 2}).status_code == 200
    assert running(client) == 0
    assert 'dunwu_engine_restarts{model="toy"} 1.0' in client.get("/metrics").text
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)


def test_sigterm_lets_a_running_answer_end() -> None:
    with serving() as (client, process, engine):
        with client.stream("POST", "/v1/completions", json={**LONG, "max_tokens": 300}) as response:
            lines = response.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert '"finish_reason":"length"' in rest[-2]
        with pytest.raises(httpx.HTTPError):
            client.get("/health")
        assert process.wait(10) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)


@pytest.mark.slow
def test_sigterm_waits_no_longer_than_it_was_told() -> None:
    with serving(drain=1) as (client, process, _), client.stream("POST", "/v1/completions", json=LONG) as response:
        lines = response.iter_lines()
        next(lines)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        with contextlib.suppress(httpx.HTTPError):
            for _ in lines:
                pass
        process.wait(20)
        assert time.monotonic() - began < 15, "the whole answer takes minutes"
