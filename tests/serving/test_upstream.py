"""A server behind the server: it gets tokens and gives tokens. Here it is a second server of ours, in process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dunwu.config.blocks import SamplingConfig
from dunwu.errors import UserError
from dunwu.serving.app import application
from dunwu.serving.fair_queue import FairQueue
from dunwu.serving.keys import Key, Keys, digest_of
from dunwu.serving.model import ServedModel
from dunwu.serving.run import Served
from dunwu.serving.serve import build
from dunwu.serving.settings import ServerSettings
from dunwu.serving.upstream import Upstream
from tests.serving.scripted import Play, Server, events, joined, serve

THOUGHT = Play("<think>1+1=2.</think><answer>2</answer>", step=2)


def through(tokenizer: Any, transport: httpx.AsyncBaseTransport, path: str, body: Any) -> httpx.Response:
    """An answer of a server whose engine is behind ``transport``."""

    async def ask() -> httpx.Response:
        upstream = Upstream("http://behind/v1", tokenizer, "secret", transport)
        await upstream.start()
        served = Served(ServedModel("front", tokenizer, "tiny", SamplingConfig()), upstream, FairQueue(4, 4))  # type: ignore[arg-type]
        try:
            return await Server(build({"front": served}, ServerSettings()), upstream).asks(path, body)  # type: ignore[arg-type]
        finally:
            await upstream.close()

    return asyncio.run(ask())


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "front", "messages": [{"role": "user", "content": "1+1=?"}], **more}


@pytest.fixture
def behind(tiny_tokenizer: Any) -> Server:
    return serve(tiny_tokenizer, THOUGHT, keys=Keys([Key("front", digest_of("secret"))]))


@pytest.fixture
def transport(behind: Server) -> httpx.ASGITransport:
    return httpx.ASGITransport(application(behind.service, behind.keys))


def test_the_parts_are_made_in_front(tiny_tokenizer: Any, behind: Server, transport: httpx.ASGITransport) -> None:
    found = through(tiny_tokenizer, transport, "/v1/chat/completions", chat(seed=5, temperature=0.7, max_tokens=50)).json()
    assert found["choices"][0]["message"]["reasoning_content"] == "1+1=2."
    assert found["choices"][0]["message"]["content"] == "2"
    (call,) = behind.backend.calls
    assert (call.seed, call.params.temperature, call.params.max_tokens) == (5, 0.7, 50)
    assert tiny_tokenizer.decode(call.token_ids) == "User: 1+1=?\nAssistant:"
    whole = tiny_tokenizer.encode(THOUGHT.text, add_special_tokens=False)
    assert found["usage"]["completion_tokens"] == len(whole) + 1


def test_it_streams_with_log_probabilities(tiny_tokenizer: Any, transport: httpx.ASGITransport) -> None:
    chunks = events(through(tiny_tokenizer, transport, "/v1/chat/completions", chat(stream=True, logprobs=True)))
    assert (joined(chunks, "reasoning_content"), joined(chunks, "content")) == ("1+1=2.", "2")
    known = [each["logprob"] for chunk in chunks for each in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert known == [-0.5] * 3


def test_a_server_that_is_not_there_is_an_error_at_the_start(tiny_tokenizer: Any) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for answer in (refuse, lambda request: httpx.Response(200, text="hello"), lambda request: httpx.Response(401, json={})):
        with pytest.raises(UserError):
            through(tiny_tokenizer, httpx.MockTransport(answer), "/v1/models", None)


def models(answer: Callable[[], httpx.Response]) -> httpx.MockTransport:
    listed = {"data": [{"id": "m", "max_model_len": 100}]}
    return httpx.MockTransport(lambda request: httpx.Response(200, json=listed) if request.method == "GET" else answer())


def data(*chunks: Any) -> httpx.Response:
    return httpx.Response(200, text="".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks))


CHUNK = {"choices": [{"text": "1", "token_ids": [20], "finish_reason": None}]}


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(500, text="secret at /srv"),
        lambda: httpx.Response(400, json={"error": {"message": "secret"}}),
        lambda: data(CHUNK),
        lambda: data({"choices": [{"text": "1", "finish_reason": None}]}),
        lambda: data(CHUNK, {"error": {"message": "secret"}}),
        lambda: httpx.Response(200, text="data: {broken\n\n"),
        lambda: httpx.Response(302, headers={"location": "http://elsewhere"}),
    ],
    ids=["500", "400", "cut", "no tokens", "error", "broken", "redirect"],
)
def test_a_server_that_fails_is_503_without_its_words(tiny_tokenizer: Any, answer: Callable[[], httpx.Response]) -> None:
    response = through(tiny_tokenizer, models(answer), "/v1/chat/completions", chat())
    assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_failed")
    assert "secret" not in response.text


def test_vllms_chunks_are_read(tiny_tokenizer: Any) -> None:
    ids = tiny_tokenizer.encode(THOUGHT.text, add_special_tokens=False)
    chunks = [{"choices": [{"index": 0, "text": "x", "token_ids": [each], "finish_reason": None, "logprobs": None}]} for each in ids]
    end = {"choices": [{"index": 0, "text": "", "token_ids": [tiny_tokenizer.eos_token_id], "finish_reason": "stop"}]}
    response = through(tiny_tokenizer, models(lambda: data(*chunks, end)), "/v1/chat/completions", chat())
    message = response.json()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("1+1=2.", "2")
    assert response.json()["usage"]["completion_tokens"] == len(ids) + 1
