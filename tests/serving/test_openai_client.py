"""The `openai` Python client works unchanged, where it is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

openai = pytest.importorskip("openai")

SUM = [{"role": "user", "content": "Use 3, 5 and 2 to make 13."}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """`dunwu serve tiny`, with a key."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "DUNWU_API_KEYS": "the-key-of-this-test"}
    command = [sys.executable, "-m", "dunwu.cli.main", "serve", "tiny", "--port", "0", "--no-access-log"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if "serving at" in line)
        yield line.split()[2].rstrip(";")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def client(address: str) -> Any:
    with openai.OpenAI(base_url=address, api_key="the-key-of-this-test", max_retries=0, timeout=30) as found:
        yield found


def test_a_whole_answer_has_its_chain_of_thought(client: Any) -> None:
    answer = client.chat.completions.create(model="deepseek-reasoner", messages=SUM, seed=1, max_tokens=300)
    message = answer.choices[0].message
    assert message.reasoning_content
    assert isinstance(message.content, str)
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_has_the_same_answer(client: Any) -> None:
    whole = client.chat.completions.create(model="tiny", messages=SUM, seed=1, max_tokens=300).choices[0].message
    parts: dict[str, str] = {"reasoning_content": "", "content": ""}
    usage = None
    for chunk in client.chat.completions.create(
        model="tiny", messages=SUM, seed=1, max_tokens=300, stream=True, stream_options={"include_usage": True}
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            for name in parts:
                parts[name] += getattr(choice.delta, name, None) or ""
    assert parts == {"reasoning_content": whole.reasoning_content, "content": whole.content}
    assert usage is not None
    assert usage.completion_tokens > 0


def test_several_turns(client: Any) -> None:
    turns: list[Any] = list(SUM)
    for question in ("And 10?", "And 4?"):
        answer = client.chat.completions.create(model="tiny", messages=turns, max_tokens=100).choices[0].message
        turns += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": question}]
    client.chat.completions.create(model="tiny", messages=[*turns[:1], answer, turns[-1]], max_tokens=100)  # a message object as it is


def test_completions_and_models(client: Any) -> None:
    assert {model.id for model in client.models.list()} == {"tiny", "deepseek-reasoner"}
    assert client.models.retrieve("tiny").id == "tiny"
    answer = client.completions.create(model="tiny", prompt="User: 1+1=?\nAssistant:", max_tokens=20, logprobs=1)
    assert len(answer.choices[0].logprobs.tokens) == len(answer.choices[0].logprobs.token_logprobs)


def test_log_probabilities_and_choices(client: Any) -> None:
    answer = client.chat.completions.create(model="tiny", messages=SUM, n=3, seed=5, logprobs=True, max_tokens=100)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(token.logprob <= 0 for choice in answer.choices for token in choice.logprobs.content)


def test_errors_have_the_clients_classes(client: Any, address: str) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="tiny", messages=SUM, n=10**6)
    assert (bad.value.param, bad.value.status_code) == ("n", 400)
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt", messages=SUM)
    assert missing.value.code == "model_not_found"
    with openai.OpenAI(base_url=address, api_key="wrong", max_retries=0) as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_a_stream_that_is_closed_frees_its_slot(client: Any, address: str) -> None:
    stream = client.completions.create(model="tiny", prompt="1", max_tokens=1000, temperature=2.0, n=8, stream=True)
    next(iter(stream))
    stream.close()
    began = time.monotonic()
    while any(line.startswith("dunwu_running{") and not line.endswith(" 0.0") for line in metrics(address)):
        assert time.monotonic() - began < 2


def metrics(address: str) -> list[str]:
    import httpx

    headers = {"authorization": "Bearer the-key-of-this-test"}
    return httpx.get(address.removesuffix("/v1") + "/metrics", headers=headers, timeout=20).text.splitlines()
