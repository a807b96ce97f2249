"""An OpenAI-compatible endpoint: what is sent, what is read, and every way in which it fails."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import EndpointGenerator
from dunwu.config.load import validate
from dunwu.data.generators.base import generate
from dunwu.data.generators.completion import MOST_BYTES, read_answer
from dunwu.data.generators.endpoint import Endpoint
from dunwu.data.io.journal import Journalled
from dunwu.errors import ConfigError, UserError

SAMPLING = SamplingConfig(max_tokens=9, temperature=0.5, top_k=3)


def answer(content: Any, finish: str = "stop", **more: Any) -> httpx.Response:
    body = {"choices": [{"message": {"content": content, **more}, "finish_reason": finish}]}
    return httpx.Response(200, content=json.dumps(body))


class Streamed(httpx.MockTransport):
    """Responses that are read from a stream, as those of a server are."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding"):
            return response
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(response.content))


def endpoint(reply: Callable[[httpx.Request], Any], waits: list[float] | None = None, **options: Any) -> Endpoint:
    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    config = EndpointGenerator(url="http://model.test/v1/", model="m", **options)
    return Endpoint(config, Streamed(reply), sleep)


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer("yes")

    monkeypatch.setenv("MY_KEY", "secret")
    assert generate(endpoint(reply, key_env="MY_KEY"), ["Is it \ud83d?"], 1, SAMPLING, 0)[0][0].text == "yes"
    (request,) = seen
    body = json.loads(request.content)
    assert str(request.url) == "http://model.test/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer secret"
    assert body["messages"] == [{"role": "user", "content": "Is it \ud83d?"}]
    assert (body["max_tokens"], body["temperature"], body["top_k"]) == (9, 0.5, 3)
    assert "min_p" not in body


def test_a_key_that_is_not_there_is_told_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="key_env = 'MY_KEY'"):
        endpoint(lambda request: answer("x"), key_env="MY_KEY")


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (answer("4", reasoning_content="2+2"), "<think>2+2</think>4"),
        (answer("4", reasoning="2+2"), "<think>2+2</think>4"),
        (answer("4", reasoning_content=None), "4"),
        (answer("\ud83d"), "?"),
        (answer(None), None),
        (answer(None, finish="length"), ""),
        (answer(""), ""),
        (httpx.Response(200, json={"choices": [{"message": None, "finish_reason": "content_filter"}]}), ""),
        (answer(["a"]), None),
        (answer("", finish="content_filter"), ""),
        (httpx.Response(200, text="<html>proxy</html>"), None),
        (httpx.Response(200, json=[1]), None),
        (httpx.Response(200, json={"choices": []}), None),
        (httpx.Response(200, json={"choices": [{"message": "x"}]}), None),
    ],
)
def test_what_is_read(response: httpx.Response, text: str | None) -> None:
    written = read_answer(response)
    assert (written.text if written else None) == text


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls", "whatever"])
def test_an_answer_that_did_not_end_by_itself_is_not_finished(reason: str) -> None:
    found = generate(endpoint(lambda request: answer("so", reason)), ["a"], 1, SAMPLING, 0)[0][0]
    assert (found.text, found.finished, bool(found.refused)) == ("so", False, reason == "content_filter")


def asked_for(request: httpx.Request) -> str:
    return str(json.loads(request.content)["messages"][0]["content"])


@pytest.mark.parametrize("bad", ["a", "c", "e"])
@pytest.mark.parametrize(
    "refusal",
    [
        lambda: httpx.Response(400, text="content management policy"),
        lambda: httpx.Response(422, text="too long"),
        lambda: httpx.Response(500, text="crashed on it"),
        lambda: httpx.Response(404),
        lambda: answer(None, "content_filter"),
        lambda: answer(None, refusal="I cannot"),
        lambda: httpx.Response(200, content=b"x" * (MOST_BYTES + 1)),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_one_prompt_that_is_refused_is_named_and_skipped(tmp_path: Path, bad: str, refusal: Any, concurrency: int) -> None:
    asked: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(asked_for(request))
        return refusal() if asked[-1] == bad else answer(asked[-1].upper())

    path, ids = tmp_path / "written.jsonl", [f"id-{each}" for each in "abcde"]
    first = Journalled(endpoint(reply, concurrency=concurrency, retries=0), path)
    found = generate(first, list("abcde"), 2, SAMPLING, 0, ids)
    assert [group[0].text for group in found] == [each.upper() if each != bad else "" for each in "abcde"]
    assert [bool(each.refused) for group in found for each in group] == [each == bad for each in "abcde" for _ in range(2)]
    assert first.refused.keys() == {f"id-{bad}"}
    asked.clear()
    again = Journalled(endpoint(reply), path)
    assert generate(again, list("abcde"), 2, SAMPLING, 0, ids) == found
    assert (asked, again.refused) == ([], first.refused)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_bad_prompts_before_the_first_answer_are_skipped(concurrency: int) -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        if asked_for(request).startswith("bad"):
            return httpx.Response(400, text="too long")
        await asyncio.sleep(0.05)
        return answer("yes")

    found = generate(endpoint(reply, concurrency=concurrency), ["bad 1", "bad 2", "bad 3", "bad 4", "a"], 4, SAMPLING, 0)
    assert [bool(each.refused) for group in found for each in group] == [True] * 16 + [False] * 4


def test_a_stage_of_which_the_bad_prompt_alone_is_left_is_finished(tmp_path: Path) -> None:
    path, down = tmp_path / "written.jsonl", True

    def reply(request: httpx.Request) -> httpx.Response:
        if asked_for(request) == "bad":
            return httpx.Response(503 if down else 400)
        return answer("yes")

    with pytest.raises(UserError):
        generate(Journalled(endpoint(reply, concurrency=1), path), ["a", "bad"], 1, SAMPLING, 0)
    down = False
    found = generate(Journalled(endpoint(reply), path), ["a", "bad"], 1, SAMPLING, 0)
    assert [bool(group[0].refused) for group in found] == [False, True]


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_of_the_endpoint_is_no_fault_of_a_prompt(tmp_path: Path, status: int) -> None:
    path = tmp_path / "written.jsonl"

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if asked_for(request) == "b" else answer("yes")

    with pytest.raises(UserError, match=str(status)):
        generate(Journalled(endpoint(reply, concurrency=1), path), list("abc"), 1, SAMPLING, 0)
    assert [json.loads(line).get("refused") for line in path.read_text().splitlines()] == [None]


def test_refusals_are_counted_over_all_starts_and_not_asked_for_again(tmp_path: Path) -> None:
    path, asked, stop_at = tmp_path / "written.jsonl", list[str](), "150"

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(asked_for(request))
        if asked[-1] == stop_at:
            return httpx.Response(401)
        # 15 of 200, but 12 of the last 50
        return httpx.Response(400) if asked[-1].isdigit() and (int(asked[-1]) in (5, 6, 7) or int(asked[-1]) >= 188) else answer("yes")

    prompts = [str(n) for n in range(200)]
    with pytest.raises(UserError):
        generate(Journalled(endpoint(reply, concurrency=1), path), prompts, 2, SAMPLING, 0)
    before, stop_at = len(asked), ""
    found = generate(Journalled(endpoint(reply, concurrency=1), path), prompts, 2, SAMPLING, 0)
    assert sum(bool(group[0].refused) for group in found) == 15
    assert not {"5", "6", "7"} & set(asked[before:])


def test_a_key_that_comes_back_is_neither_shown_nor_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_KEY", "sk-0123456789abcdef")

    def reply(request: httpx.Request) -> httpx.Response:
        said = f"with {request.headers['authorization']}"
        kind = asked_for(request)
        if kind == "filtered":
            return answer(None, "content_filter", refusal=said)
        return httpx.Response(400, text=said) if kind == "bad" else httpx.Response(401, text=said) if kind == "out" else answer(said)

    path = tmp_path / "written.jsonl"
    with pytest.raises(UserError) as caught:
        generate(Journalled(endpoint(reply, key_env="MY_KEY", concurrency=1), path), ["a", "bad", "filtered", "out"], 1, SAMPLING, 0)
    assert "0123456789" not in str(caught.value)
    assert len(path.read_text().splitlines()) == 3
    assert "0123456789" not in path.read_text()


@pytest.mark.parametrize("charset", ["hex", "zip", "rot13", "idna", "undefined", "nonsense"])
def test_the_character_set_that_an_endpoint_names_is_passed_over(charset: str) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, content=b"no \xff", headers={"content-type": f"text/plain; charset={charset}"})

    with pytest.raises(UserError, match="status 400: no"):
        generate(endpoint(reply), ["a"], 1, SAMPLING, 0)


@pytest.mark.parametrize(("packing", "layers"), [("gzip", 1), ("gzip, gzip", 2), ("gzip", 2), ("br", 0), ("gzip", 0)])
def test_an_answer_that_is_packed_is_unpacked_to_a_bounded_size(packing: str, layers: int) -> None:
    content = b" " * (8 * MOST_BYTES) if layers else b"nonsense"
    for _ in range(layers):
        content = gzip.compress(content, 1)

    def reply(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, headers={"content-encoding": packing}, stream=httpx.ByteStream(content))

    tracemalloc.start()
    with pytest.raises(UserError):
        generate(endpoint(reply, retries=0), ["a"], 1, SAMPLING, 0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5 * MOST_BYTES


def test_a_packed_answer_is_read() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(answer("yes").content)))

    assert generate(endpoint(reply), ["a"], 1, SAMPLING, 0)[0][0].text == "yes"


def test_many_refused_prompts_end_the_stage() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        asked = asked_for(request)
        return httpx.Response(400, text="no") if asked.isdigit() and int(asked) % 4 == 0 else answer("yes")

    prompts = [str(n) for n in range(200)]
    with pytest.raises(UserError, match=r"refuses 1\d of \d+ prompts, .*max_refused"):
        generate(endpoint(reply), prompts, 1, SAMPLING, 0)
    found = generate(endpoint(reply, max_refused=0.3), prompts, 1, SAMPLING, 0)
    assert sum(bool(group[0].refused) for group in found) == 50
    few = generate(endpoint(reply), prompts[:20], 1, SAMPLING, 0)
    assert sum(bool(group[0].refused) for group in few) == 5


def test_an_endpoint_that_refuses_everything_is_told_at_once() -> None:
    asked: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(asked_for(request))
        return httpx.Response(400, text="unknown parameter top_k")

    with pytest.raises(UserError, match="unknown parameter top_k"):
        generate(endpoint(reply, concurrency=1), [str(n) for n in range(200)], 1, SAMPLING, 0)
    assert len(asked) == 2, "another prompt is asked to know which of the two is to blame"


class Server(BaseHTTPRequestHandler):
    """Says OK, but for prompts that name what else it does: `drip` a byte now and then, or a `flood` without an end."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        asked = json.loads(content)["messages"][0]["content"]
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            if asked == "drip":
                for _ in range(100):
                    self.wfile.write(b" ")
                    time.sleep(0.05)
            while asked == "flood":
                self.wfile.write(b" " * (1 << 20))
            self.wfile.write(json.dumps({"choices": [{"message": {"content": "OK"}, "finish_reason": "stop"}]}).encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}/v1"
        found.shutdown()


@pytest.mark.parametrize("kind", ["drip", "flood"])
def test_the_size_and_the_whole_time_of_an_answer_are_bounded(server: str, kind: str) -> None:
    found = generate(Endpoint(EndpointGenerator(url=server, model="m", timeout=1.0, retries=0)), ["a", kind, "b"], 1, SAMPLING, 0)
    assert [group[0].text for group in found] == ["OK", "", "OK"]
    began = time.monotonic()
    with pytest.raises(UserError):
        generate(Endpoint(EndpointGenerator(url=server, model="m", timeout=1.0, retries=0)), [kind], 1, SAMPLING, 0)
    assert time.monotonic() - began < 3


def test_what_may_pass_is_tried_again_with_longer_and_longer_waits() -> None:
    bad = iter([httpx.Response(503), httpx.Response(429, headers={"retry-after": "7"}), httpx.Response(200, text="{"), httpx.Response(500)])
    waits: list[float] = []
    found = generate(endpoint(lambda request: next(bad, None) or answer("done"), waits), ["a"], 1, SAMPLING, 0)
    assert found[0][0].text == "done"
    assert waits == [1.0, 7.0, 4.0, 8.0]


def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (down, "no answer .ConnectError: connection refused., 3 times"),
        (lambda request: httpx.Response(200, text="\x1b[2Jhello\nthere"), "not an answer of a chat completion: .2Jhello there, 3 times"),
        (lambda request: httpx.Response(500, text="oops"), "status 500: oops, 3 times"),
        (lambda request: httpx.Response(404, text="no such model"), "refuses: status 404: no such model"),
        (lambda request: httpx.Response(401), "status 401: nothing; set key_env"),
        (lambda request: httpx.Response(302, headers={"location": "http://elsewhere.test"}), "refuses: status 302"),
    ],
)
def test_an_endpoint_that_is_down_or_answers_garbage_is_one_line(reply: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        generate(endpoint(reply, retries=2), ["a"], 1, SAMPLING, 0)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_no_more_requests_at_a_time_than_asked_for() -> None:
    now = most = 0

    async def reply(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(3):
            await asyncio.sleep(0)
        now -= 1
        return answer("x")

    generate(endpoint(reply, concurrency=3), list("abcdefghij"), 1, SAMPLING, 0)
    assert most == 3


def test_what_has_arrived_before_it_went_down_is_kept(tmp_path: Path) -> None:
    left = list("abc")

    def dying(request: httpx.Request) -> httpx.Response:
        content = json.loads(request.content)["messages"][0]["content"]
        return answer(content.upper()) if left and left.pop(0) == content else httpx.Response(500)

    path = tmp_path / "written.jsonl"
    with pytest.raises(UserError, match="status 500"):
        generate(Journalled(endpoint(dying, concurrency=1, retries=0), path), list("abcde"), 1, SAMPLING, 0)
    asked: list[str] = []

    def well(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["messages"][0]["content"])
        return answer(asked[-1].upper())

    found = generate(Journalled(endpoint(well), path), list("abcde"), 1, SAMPLING, 0)
    assert [group[0].text for group in found] == list("ABCDE")
    assert sorted(asked) == ["d", "e"]


@pytest.mark.parametrize(
    "url", ["http://", "ftp://host/v1", "http://host:99999", "http://host:x", "http://[::1/v1", "http://a b", "http://\u200b/"]
)
def test_an_address_that_is_none_is_told_with_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^url: .* is not the address of an endpoint; give one such as http://localhost:8000/v1"):
        validate(EndpointGenerator, {"url": url, "model": "m"})


@pytest.mark.parametrize("url", ["http://user:sk-1@host/v1", "http://sk-1@host/v1", "http://host/v1?key=sk-1", "http://host/v1#sk-1"])
def test_an_address_with_a_key_in_it_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="key_env") as caught:
        validate(EndpointGenerator, {"url": url, "model": "m"})
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "https://host.test", "http://[::1]:80/v1"])
def test_an_address(url: str) -> None:
    assert validate(EndpointGenerator, {"url": url, "model": "m"}).url == url


def test_requests_are_spaced_by_the_rate_limit() -> None:
    waits: list[float] = []
    config = {"requests_per_minute": 30, "concurrency": 4}
    generate(endpoint(lambda request: answer("yes"), waits, **config), list("abcde"), 1, SAMPLING, 0)
    assert [round(each) for each in waits] == [2, 4, 6, 8]
