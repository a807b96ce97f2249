"""Who may ask, and how much: keys, limits, hosts, origins, and what the log keeps."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from dunwu.errors import UserError
from dunwu.serving.keys import Bucket, Key, Keys, add_key, digest_of, read_keys
from dunwu.serving.settings import ServerSettings
from tests.serving.scripted import Play, Server, serve

PATH = "/v1/chat/completions"
SUM: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": "what is my secret?"}]}
SECRET = "a-key-that-a-person-chose"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def server(tiny_tokenizer: Any) -> Server:
    return serve(tiny_tokenizer, Play("<think>a</think>b"), keys=Keys([Key("alice", digest_of(SECRET))]))


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(""), {"authorization": SECRET}, {"authorization": f"Basic {SECRET}"}])
def test_without_a_known_key_it_is_401(server: Server, headers: dict[str, str]) -> None:
    for path, body in ((PATH, SUM), ("/v1/models", None), ("/metrics", None), ("/chat/completions", SUM)):
        response = server.ask(path, body, headers)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
    assert server.backend.calls == []


def test_a_known_key_may_ask(server: Server) -> None:
    assert server.ask(PATH, SUM, bearer(SECRET)).status_code == 200
    assert server.ask("/v1/models", headers=bearer(SECRET)).status_code == 200


def test_health_needs_no_key(server: Server) -> None:
    assert server.ask("/health").status_code == 200


def test_the_body_of_a_stranger_is_not_read(server: Server) -> None:
    assert server.ask(PATH, content=b"x" * 10_000_000).status_code == 401


def test_requests_beyond_the_limit_are_429_with_retry_after(tiny_tokenizer: Any) -> None:
    import time

    key = Key("alice", digest_of(SECRET), requests=Bucket(2, time.monotonic()))
    server = serve(tiny_tokenizer, Play("b"), keys=Keys([key, Key("bob", digest_of("b"))]))
    found = [server.ask(PATH, SUM, bearer(SECRET)) for _ in range(3)]
    assert [response.status_code for response in found] == [200, 200, 429]
    assert found[2].json()["error"]["code"] == "rate_limit_exceeded"
    assert 25 <= int(found[2].headers["retry-after"]) <= 31
    assert server.ask(PATH, SUM, bearer("b")).status_code == 200, "another key has its own limit"


def test_tokens_are_charged_as_they_are_used(tiny_tokenizer: Any) -> None:
    import time

    key = Key("alice", digest_of(SECRET), tokens=Bucket(40, time.monotonic()))
    server = serve(tiny_tokenizer, Play("<think>a</think>b"), keys=Keys([key]))
    statuses = [server.ask(PATH, SUM, bearer(SECRET)).status_code for _ in range(6)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_a_bucket_refills_steadily() -> None:
    bucket = Bucket(60, 100.0)
    assert bucket.wait(100.0, 1) == 0
    bucket.take(61)
    assert bucket.wait(100.0, 1) == pytest.approx(2.0)
    assert bucket.wait(102.0, 1) == 0
    assert bucket.wait(1000.0, 60) == 0
    bucket.take(60)
    assert bucket.wait(1000.0, 1) == pytest.approx(1.0), "never more than a minute's worth"


def test_a_made_key_opens_and_its_file_does_not_hold_it(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    key, other = add_key(file, "alice", {"requests": 60, "tokens": 0}), add_key(file, "bob", {})
    keys = read_keys(file, {})
    assert [each.name for each in keys.known] == ["alice", "bob"]
    found = keys.find(key)
    assert found is not None
    assert (found.name, found.requests is not None, found.tokens) == ("alice", True, None)
    assert keys.find(other) is keys.known[1]
    assert keys.find("alice") is None
    text = file.read_text(encoding="utf-8")
    assert key not in text
    assert other not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_come_from_the_environment_too(tmp_path: Path) -> None:
    keys = read_keys(None, {"DUNWU_API_KEYS": f"{SECRET}, another-key-of-somebody"})
    assert keys.find(SECRET) is not None
    assert keys.find("another-key-of-somebody") is not None
    assert read_keys(None, {}).known == []


@pytest.mark.parametrize(
    "text", ["alice", "alice sha256:12", "alice md5:" + "0" * 32, "alice sha256:" + "0" * 64 + " requests=-1", "alice plain-text-key", ""]
)
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# keys\n{text}\n", encoding="utf-8")
    with pytest.raises(UserError):
        read_keys(file, {})


def test_mistakes_with_keys_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    with pytest.raises(UserError):
        read_keys(file, {})
    with pytest.raises(UserError):
        read_keys(None, {"DUNWU_API_KEYS": "short"})
    add_key(file, "alice", {})
    with pytest.raises(UserError):
        add_key(file, "alice", {})
    with pytest.raises(UserError):
        add_key(file, "a name", {})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_its_own_names_are_answered(tiny_tokenizer: Any, host: str) -> None:
    server = serve(tiny_tokenizer, Play("b"), ServerSettings(hosts=("localhost", "127.0.0.1", "::1")))
    assert server.ask("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "localhost.evil.example"])
def test_other_names_are_403_so_that_no_page_can_pretend_to_be_it(tiny_tokenizer: Any, host: str) -> None:
    server = serve(tiny_tokenizer, Play("b"), ServerSettings(hosts=("localhost", "127.0.0.1", "::1")))
    assert server.ask(PATH, SUM, headers={"host": host}).status_code == 403


def test_no_web_page_may_call_it_by_default(server: Server) -> None:
    asked = {"origin": "https://page.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    response = server.ask(PATH, method="OPTIONS", headers=asked)
    assert response.status_code == 405
    assert not any(name.startswith("access-control") for name in response.headers)


def test_a_named_web_page_may_call_it(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("b"), ServerSettings(origins=("https://page.example",)))
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for origin, allowed in (("https://page.example", True), ("https://other.example", False)):
        response = server.ask(PATH, method="OPTIONS", headers={**asked, "origin": origin})
        assert ("access-control-allow-origin" in response.headers) == allowed


def access(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "dunwu.access"]


def test_the_access_log_has_numbers_and_no_contents(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dunwu.access"):
        response = server.ask(PATH, SUM, bearer(SECRET))
    (line,) = access(caplog)
    assert line["client"] == "alice"
    assert line["id"] == response.headers["x-request-id"]
    assert (line["method"], line["path"], line["status"], line["model"], line["finish"]) == ("POST", PATH, 200, "toy", "stop")
    assert line["completion_tokens"] == response.json()["usage"]["completion_tokens"]
    assert "secret" not in caplog.text
    assert SECRET not in caplog.text


def test_contents_are_logged_if_they_are_asked_for(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(tiny_tokenizer, Play("<think>a</think>b"), ServerSettings(log_contents=True))
    with caplog.at_level(logging.INFO, "dunwu.access"):
        server.ask(PATH, SUM)
        server.ask(PATH, {**SUM, "stream": True})
    for line in access(caplog):
        assert line["asked"]["messages"][0]["content"] == "what is my secret?"
        assert "b" in json.dumps(line["answered"])


def test_a_log_line_is_one_line_whatever_is_sent(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dunwu.access"):
        server.ask("/v1/models/a%0Ab%1b", headers=bearer(SECRET))
    assert "\n" not in caplog.records[-1].getMessage()
    assert "\x1b" not in caplog.records[-1].getMessage()
