"""Requests that cannot be served: the status, always in OpenAI's shape, and never what is inside the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dunwu.serving.settings import ServerSettings
from tests.serving.scripted import Play, Server, events, joined, serve

PATH = "/v1/chat/completions"
SUM: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": "1+1=?"}]}


def refused(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert code is None or error["code"] == code
    assert not any(word in error["message"] for word in ("Traceback", ".py", "/srv", "dunwu/"))
    return error


@pytest.fixture
def server(tiny_tokenizer: Any) -> Server:
    return serve(tiny_tokenizer, Play("<think>a</think>b"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1, 2", b'{"model": "toy", "messages": [}', b"\xff\xfe\x00", b'"text"', b"null", b"[]", b"[" * 100_000],
    ids=["empty", "open", "list", "broken", "bytes", "string", "null", "array", "deep"],
)
def test_a_body_that_is_no_request_is_400(server: Server, content: bytes) -> None:
    assert refused(server.ask(PATH, content=content), 400)["type"] == "invalid_request_error"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\\ud83d"], ids=["high", "low", "escaped"])
@pytest.mark.parametrize("where", ["content", "model", "stop", "role"])
def test_half_a_character_is_400_or_text(server: Server, text: str, where: str) -> None:
    message = {"role": "user", "content": "1+1=?"}
    body = {**SUM, "messages": [{**message, where: text}]} if where in message else {**SUM, where: text}
    response = server.ask(PATH, content=json.dumps(body).replace("\\\\ud83d", "\\ud83d").encode())
    assert response.status_code in (400, 404)
    refused(response, response.status_code)


def test_a_body_of_10_mb_is_413(server: Server) -> None:
    body = json.dumps({**SUM, "messages": [{"role": "user", "content": "x" * 10_000_000}]}).encode()
    refused(server.ask(PATH, content=body), 413, "request_too_large")
    assert server.backend.calls == []


def test_a_body_that_lies_about_its_length_is_413(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("b"), ServerSettings(max_body=100))
    refused(server.ask(PATH, content=b" " * 101, headers={"content-length": "3"}), 413)


def test_a_million_completions_are_400(server: Server) -> None:
    assert refused(server.ask(PATH, {**SUM, "n": 10**6}), 400)["param"] == "n"
    assert refused(server.ask(PATH, {**SUM, "n": 10**60}), 400)["param"] == "n"


def test_a_form_is_415(server: Server) -> None:
    refused(server.ask(PATH, content=b"model=toy", headers={"content-type": "application/x-www-form-urlencoded"}), 415)


def test_an_unknown_path_is_404(server: Server) -> None:
    refused(server.ask("/v2/chat/completions", SUM), 404)
    refused(server.ask("/v1/../etc/passwd"), 404)


def test_a_wrong_method_is_405(server: Server) -> None:
    refused(server.ask(PATH), 405)
    refused(server.ask("/v1/models", method="DELETE"), 405)


def test_a_failure_of_the_server_is_500_without_its_reason(tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(tiny_tokenizer, Play("b"))

    def broken(*_: object) -> None:
        raise RuntimeError("secret in /srv/server.py")

    monkeypatch.setattr(server.service, "_ask", broken)
    assert "secret" not in refused(server.ask(PATH, SUM), 500, "internal_error")["message"]


def test_an_engine_that_is_not_there_is_503_with_retry_after(server: Server) -> None:
    server.backend.up = False
    for stream in (False, True):
        response = server.ask(PATH, {**SUM, "stream": stream})
        refused(response, 503, "engine_unavailable")
        assert int(response.headers["retry-after"]) >= 1


def test_health_is_503_while_the_engine_is_not_there(server: Server) -> None:
    assert server.ask("/health").status_code == 200
    server.backend.up = False
    assert server.ask("/health").status_code == 503


def test_an_engine_that_dies_while_it_answers_is_503(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("<think>a", ended=False, error="The engine stopped."))
    refused(server.ask(PATH, SUM), 503, "engine_failed")


def test_an_engine_that_dies_in_a_stream_is_its_last_event(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("<think>a b c", ended=False, error="The engine stopped."))
    found = events(server.ask(PATH, {**SUM, "stream": True}))
    assert found[-1]["error"]["code"] == "engine_failed"
    assert joined(found[:-1], "reasoning_content") == "a b c"


def test_a_full_queue_is_503_with_retry_after(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("a", hang=True), slots=1, queue=1)

    async def ask() -> Any:
        working = [asyncio.create_task(server.asks(PATH, SUM)) for _ in range(2)]
        await asyncio.sleep(0.1)
        response = await server.asks(PATH, SUM)
        for task in working:
            task.cancel()
        return response

    response = asyncio.run(ask())
    refused(response, 503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1


def test_the_deadline_ends_a_request_that_got_nothing(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("", ended=False, hang=True), ServerSettings(deadline=0.05))
    refused(server.ask(PATH, SUM), 503, "deadline_exceeded")
    assert server.backend.cancelled == [1]


@pytest.mark.parametrize("stream", [False, True])
def test_the_deadline_cuts_an_answer_and_says_so(tiny_tokenizer: Any, stream: bool) -> None:
    server = serve(tiny_tokenizer, Play("<think>a</think>b c", ended=False, hang=True), ServerSettings(deadline=0.1))
    response = server.ask(PATH, {**SUM, "stream": stream})
    if stream:
        found = events(response)
        assert (joined(found, "content"), found[-1]["choices"][0]["finish_reason"]) == ("b c", "insufficient_system_resource")
    else:
        (choice,) = response.json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("b c", "insufficient_system_resource")
    assert server.backend.cancelled == [1]


def test_a_request_that_fails_hurts_no_other(tiny_tokenizer: Any) -> None:
    def reply(call: Any) -> Play:
        if call.params.temperature == 2:
            return Play("", ended=False, error="refused")
        return Play("<think>a</think>b" * 3, step=1, pause=0.002)

    server = serve(tiny_tokenizer, reply)

    async def ask() -> list[Any]:
        good = [server.asks(PATH, {**SUM, "stream": True}) for _ in range(3)]
        bad = [server.asks(PATH, {**SUM, "temperature": 2}), server.asks(PATH, content=b"{"), server.asks(PATH, {**SUM, "n": -1})]
        return await asyncio.gather(*good, *bad)

    *good, first, second, third = asyncio.run(ask())
    assert [joined(events(response), "reasoning_content") for response in good] == ["a"] * 3
    assert [response.status_code for response in (first, second, third)] == [503, 400, 400]


def test_a_stream_that_waits_sends_comments(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("<think>a b c", step=1, pause=0.1), ServerSettings(keep_alive=0.02))
    response = server.ask(PATH, {**SUM, "stream": True})
    assert ": keep-alive\n" in response.text
    assert joined(events(response), "reasoning_content") == "a b c"
