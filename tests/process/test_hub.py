"""Whether the hub answers: within seconds where there is no network, and True where the network is only slow."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from dunwu.process import hub

SLOW = 1.0


class SlowHub(BaseHTTPRequestHandler):
    """Answers later than a connection may take."""

    def do_HEAD(self) -> None:
        time.sleep(SLOW)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.hub_answers.cache_clear()
    yield
    hub.hub_answers.cache_clear()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes no connection: the backlog of its socket is full, so that the kernel drops what arrives."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for each in waiting:
            each.close()


def seconds_until(expected: bool) -> float:
    start = time.monotonic()
    assert hub.hub_answers() is expected
    return time.monotonic() - start


def test_no_connection_within_the_limit(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", silent)
    monkeypatch.setattr(hub, "CONNECT_SECONDS", 0.3)
    assert seconds_until(False) < 2
    assert seconds_until(False) < 0.1  # asked once


def test_an_address_whose_lookup_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20) and [])
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(hub, "CONNECT_SECONDS", 0.3)
    assert seconds_until(False) < 2
    ended.set()


def test_a_slow_network_is_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(hub, "CONNECT_SECONDS", SLOW / 4)
        assert seconds_until(True) >= SLOW
        server.shutdown()


def test_offline_by_the_hubs_own_variable_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", "not an address")
    assert hub.hub_answers() is False


def test_an_address_that_is_none_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://[")
    assert hub.hub_answers() is False


def test_cached_files() -> None:
    assert not hub.is_cached("nobody/nothing")
