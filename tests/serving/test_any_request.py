"""Whatever is sent, the server answers, and never with a failure of its own."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.scripted import Play, serve

WORDS = st.text(max_size=8) | st.sampled_from(["toy", "user", "\ud800", "<think>"])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6
)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | VALUES, "content": st.text(max_size=20) | VALUES},
    optional={"reasoning_content": VALUES, "tool_calls": VALUES},
)
FIELDS = (
    *("max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "seed", "stop", "stream", "stream_options", "logprobs", "top_logprobs"),
    *("thinking", "response_format", "tools", "tool_choice", "logit_bias", "presence_penalty", "prompt", "echo", "best_of", "suffix"),
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("toy") | VALUES, "messages": st.lists(TURN, max_size=3) | VALUES},
    optional=dict.fromkeys(FIELDS, VALUES),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=BODIES, path=st.sampled_from(["/v1/chat/completions", "/v1/completions"]))
def test_no_request_makes_the_server_fail(tiny_tokenizer: Any, body: Any, path: str) -> None:
    server = serve(tiny_tokenizer, Play("<think>a</think>b"))
    response = server.ask(path, content=json.dumps(body).encode())
    assert response.status_code in (200, 400, 404), response.text
    if response.status_code != 200:
        assert response.json()["error"].keys() == {"message", "type", "param", "code"}
