"""`/v1/models`, `/v1/completions`, `/metrics`, and the paths without `/v1`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serving.scripted import Play, Server, events, serve


@pytest.fixture
def server(tiny_tokenizer: Any) -> Server:
    return serve(tiny_tokenizer, Play("<think>1+1=2.</think><answer>2</answer>"))


def test_models_are_listed_by_all_their_names(server: Server) -> None:
    found = server.ask("/v1/models").json()
    assert found["object"] == "list"
    assert [(each["id"], each["object"], each["root"]) for each in found["data"]] == [
        ("toy", "model", "toy"),
        ("deepseek-reasoner", "model", "toy"),
    ]
    assert all(isinstance(each["created"], int) and each["max_model_len"] == 4096 for each in found["data"])


def test_one_model_can_be_asked_for(server: Server) -> None:
    assert server.ask("/v1/models/toy").json()["id"] == "toy"
    assert server.ask("/v1/models/other/name").json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/models"])
def test_paths_exist_without_their_version_as_deepseeks_do(server: Server, path: str) -> None:
    body = None if path == "/models" else {"model": "toy", "prompt": "x", "messages": [{"role": "user", "content": "x"}]}
    assert server.ask(path, body).status_code == 200


def test_a_completion_continues_a_text_without_parts(server: Server) -> None:
    found = server.complete().json()
    assert (found["object"], found["id"][:5]) == ("text_completion", "cmpl-")
    assert found["choices"] == [{"index": 0, "text": "<think>1+1=2.</think><answer>2</answer>", "logprobs": None, "finish_reason": "stop"}]
    assert found["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}


def test_a_completion_streams(server: Server) -> None:
    chunks = events(server.complete(stream=True, stream_options={"include_usage": True}))
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]) == "<think>1+1=2.</think><answer>2</answer>"
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_several_prompts_have_n_choices_each(server: Server) -> None:
    found = server.complete(prompt=["a", "b"], n=2).json()
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2, 3]
    prompts = [call.token_ids for call in server.backend.calls]
    assert prompts[0] == prompts[1] != prompts[2] == prompts[3]
    assert found["usage"]["prompt_tokens"] == len(prompts[0]) + len(prompts[2])


def test_a_prompt_may_be_tokens(server: Server) -> None:
    server.complete(prompt=[5, 6])
    server.complete(prompt=[[5, 6], [7]])
    assert [call.token_ids for call in server.backend.calls] == [(5, 6), (5, 6), (7,)]


def test_echo_repeats_the_prompt(server: Server) -> None:
    assert server.complete(prompt="1+1", echo=True).json()["choices"][0]["text"].startswith("1+1<think>")
    assert events(server.complete(prompt="1+1", echo=True, stream=True))[0]["choices"][0]["text"] == "1+1"


def test_stop_cuts_the_text_anywhere(server: Server) -> None:
    assert server.complete(stop="=2").json()["choices"][0]["text"] == "<think>1+1"


def test_logprobs_have_the_form_of_completions(server: Server) -> None:
    found = server.complete(logprobs=1).json()["choices"][0]["logprobs"]
    assert "".join(found["tokens"]) == "<think>1+1=2.</think><answer>2</answer>"
    assert found["text_offset"][:3] == [0, 7, 8]
    assert set(found["token_logprobs"]) == {-0.5}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [10**9]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": ["a"] * 20}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"best_of": 2}, "best_of"),
        ({"suffix": "x"}, "suffix"),
        ({"logprobs": 3}, "logprobs"),
        ({"logprobs": 1, "echo": True}, "echo"),
    ],
)
def test_completions_refuse_what_they_cannot_keep(server: Server, body: dict[str, Any], param: str) -> None:
    response = server.complete(**body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_metrics_count_requests_tokens_and_the_engine(server: Server) -> None:
    server.chat()
    server.chat(n=0)
    lines = server.ask("/metrics").text.splitlines()
    assert 'dunwu_requests_total{path="/v1/chat/completions",status="200"} 1.0' in lines
    assert 'dunwu_requests_total{path="/v1/chat/completions",status="400"} 1.0' in lines
    assert 'dunwu_engine_up{model="toy"} 1.0' in lines
    completion = server.chat().json()["usage"]["completion_tokens"]
    assert f'dunwu_tokens_total{{kind="completion"}} {completion:.1f}' in lines


def test_metrics_do_not_grow_with_invented_paths(server: Server) -> None:
    for place in range(5):
        server.ask(f"/v1/models/{place}")
        server.ask(f"/{place}")
    paths = {line.split('path="')[1].split('"')[0] for line in server.ask("/metrics").text.splitlines() if "requests_total{" in line}
    assert paths == {"/v1/models", "other"}


def test_the_schema_describes_the_requests(server: Server) -> None:
    schema = json.loads(server.ask("/openapi.json").text)
    assert {"/v1/chat/completions", "/v1/completions", "/v1/models", "/health"} <= schema["paths"].keys()
    assert "reasoning_content" in schema["components"]["schemas"]["ChatMessage"]["properties"]
