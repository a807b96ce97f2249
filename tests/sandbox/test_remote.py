"""A sandbox over HTTP gives what it gives at home; what goes wrong on the way is our error."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from dunwu.cli.sandbox_command import SandboxOptions, _token
from dunwu.cli.sandbox_command import run as sandbox_command
from dunwu.errors import UserError
from dunwu.sandbox import remote, service
from dunwu.sandbox.outcome import Limits, Outcome, Program
from dunwu.sandbox.remote import RemoteSandbox, decode_outcomes, encode_outcomes
from tests.sandbox.conftest import require

SECRET = "a secret of this test"


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The command in a process of its own; gives its address."""
    require(2)
    script = "import sys; from dunwu.cli.sandbox_command import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "--port", "0", "--workers", "1", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("sandbox of level"), line
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(f"{SECRET}\n", encoding="utf-8")
    with serving("--token-file", str(token)) as found:
        yield found


def test_it_runs_programs(address: str) -> None:
    with RemoteSandbox(address, SECRET) as sandbox:
        outcomes = sandbox.run(Program("print(2 * int(input()))"), ["1", "x", "3"], Limits())
        assert [(outcome.status, outcome.stdout) for outcome in outcomes] == [("ok", "2\n"), ("runtime_error", ""), ("ok", "6\n")]
        assert len(sandbox.run(Program("print(int(input()))"), ["1", "x", "3"], Limits(), stop_at_failure=True)) == 2
        assert sandbox.run(Program("while True: pass"), [""], Limits(cpu_seconds=1))[0].status == "time_limit"
        assert sandbox.run(Program("print('\ud800')"), ["", ""], Limits())[0].status == "compile_error"
        function = Program("def f(): return {1: (2, {3}), 'x': float('nan')}", entry="f")
        result = sandbox.run(function, ['{"args": []}'], Limits())[0].result
        assert result[1] == (2, {3})
        assert math.isnan(result["x"])


def test_many_inputs_go_in_parts(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_INPUTS", 2)
    with RemoteSandbox(address, SECRET) as sandbox:
        outcomes = sandbox.run(Program("print(input())"), list("abcde"), Limits())
        assert "".join(outcome.stdout.strip() for outcome in outcomes) == "abcde"
        assert sandbox.run(Program("print(input())"), [], Limits(), stop_at_failure=True) == []


@pytest.mark.parametrize("token", ["", "another", "é"])
def test_without_the_token_it_refuses(address: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUNWU_SANDBOX_TOKEN", raising=False)
    body = json.dumps({"program": {"source": ""}, "inputs": [], "limits": {}})
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}".strip().encode()}
    assert httpx.post(f"{address}/run", content=body, headers=headers, trust_env=False).status_code == 401
    if token.isascii():
        with RemoteSandbox(address, token) as sandbox, pytest.raises(UserError, match=r"401.*DUNWU_SANDBOX_TOKEN"):
            sandbox.run(Program("print(1)"), [""], Limits())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[" * 100_000, 422),
        (b'{"program": {"source": "\\ud800"}, "inputs": [], "limits": {}}', 422),
        (b'{"program": {"source": ""}, "inputs": [], "limits": {"cpu_seconds": 1e9}}', 422),
        (b'{"program": {"source": ""}, "inputs": [], "limits": {"cpu_seconds": NaN}}', 422),
        (b'{"program": {"source": "", "language": "perl"}, "inputs": [], "limits": {}}', 422),
        (b'{"program": {"source": ""}, "inputs": [""], "limits": {}, "as_root": true}', 422),
        (b'{"program": {"source": ""}, "inputs": [], "limits": {}}', 200),
    ],
)
def test_requests_are_checked(address: str, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json", "authorization": f"Bearer {SECRET}"}
    assert httpx.post(f"{address}/run", content=body, headers=headers, trust_env=False).status_code == status
    assert httpx.get(f"{address}/health", trust_env=False).json() == {"status": "ok"}


def test_a_web_page_cannot_post_to_it(address: str) -> None:
    headers = {"content-type": "text/plain", "authorization": f"Bearer {SECRET}"}
    assert httpx.post(f"{address}/run", content=b"{}", headers=headers, trust_env=False).status_code == 415


def test_a_large_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_BODY", 1000)

    class Nothing:
        def run(self, *_: Any) -> list[Outcome]:
            return []

    transport = httpx.ASGITransport(app=service.application(Nothing()))  # type: ignore[arg-type]

    async def post(body: bytes) -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return (await client.post("/run", content=body, headers={"content-type": "application/json"})).status_code

    import anyio

    assert anyio.run(post, b'{"program": {"source": ""}, "inputs": [], "limits": {}}') == 200
    assert anyio.run(post, b" " * 2000) == 413


def test_out_of_reach_is_our_error() -> None:
    with RemoteSandbox("http://127.0.0.1:1") as sandbox:
        outcomes = sandbox.run(Program("print(1)"), ["", ""], Limits())
    assert [outcome.status for outcome in outcomes] == ["sandbox_error"] * 2
    assert "127.0.0.1:1" in outcomes[0].stderr


@pytest.mark.parametrize("answer", [b"", b"[]x", b'[{"status": "ok"}]', b'[{"status": "passed"}]', b"[" * 10**5])
def test_an_answer_that_is_none_is_asked_for_once_more(answer: bytes) -> None:
    asked = []

    class Odd(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(1)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with RemoteSandbox(f"http://127.0.0.1:{server.server_port}/") as sandbox:
            (outcome,) = sandbox.run(Program("print(1)"), ["", ""], Limits(), stop_at_failure=True)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert outcome.status == "sandbox_error"
    assert len(asked) == 2


@pytest.mark.parametrize("result", [None, [1, (2, {3: "\ud800"})], {"$set": 1}])
def test_outcomes_survive_the_way(result: Any) -> None:
    outcome = Outcome("ok", "out\ufffd", 0.5, 1.5, 7, "err", result)
    assert decode_outcomes(encode_outcomes([outcome])) == [outcome]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "--token-file"),
        (["--token-file", "nowhere"], "nowhere"),
        (["--token-file", os.devnull], "is empty"),
        (["--host", "203.0.113.1", "--token-file", "{token}"], "cannot listen"),
        (["--port", "99999999"], "--port 99999999"),
        (["--workers", "-1"], "--workers -1"),
        (["--wokers", "1"], "--wokers"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: Sequence[str], message: str, tmp_path: Path) -> None:
    require(2)
    (tmp_path / "token").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        sandbox_command([argument.format(token=tmp_path / "token") for argument in arguments])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_loopback_needs_no_token(host: str) -> None:
    assert _token(SandboxOptions(host=host)) == ""
