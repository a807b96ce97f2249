"""The page in the real application: open to see, but rendering needs the key, and is neither counted nor logged."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dunwu.serving.keys import Key, Keys, digest_of
from tests.serving.scripted import Play, serve

SECRET = "dw-0123456789abcdef"


def test_the_page_is_open_and_rendering_needs_the_key(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("x"), keys=Keys([Key("me", digest_of(SECRET))]))
    assert server.ask("/").status_code == 200
    assert server.ask("/page/chat.js").status_code == 200
    assert server.ask("/page/render", {"text": "a"}).status_code == 401
    assert server.ask("/page/render", {"text": "*a*"}, {"authorization": f"Bearer {SECRET}"}).json() == {"html": "<p><em>a</em></p>\n"}


def test_rendering_costs_no_request_of_a_key(tiny_tokenizer: Any) -> None:
    from dunwu.serving.keys import Bucket

    server = serve(tiny_tokenizer, Play("x"), keys=Keys([Key("me", digest_of(SECRET), requests=Bucket(1, 0.0))]))
    headers = {"authorization": f"Bearer {SECRET}"}
    assert [server.ask("/page/render", {"text": "a"}, headers).status_code for _ in range(5)] == [200] * 5


def test_errors_have_the_shape_of_the_api(tiny_tokenizer: Any) -> None:
    server = serve(tiny_tokenizer, Play("x"))
    assert server.ask("/page/render", {"text": 5}).json()["error"]["message"]
    assert server.ask("/page/none.js").status_code == 404
    assert "/page/render" not in server.ask("/openapi.json").text


def test_pages_are_logged_only_when_they_fail(tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(tiny_tokenizer, Play("x"))
    with caplog.at_level(logging.INFO, logger="dunwu.access"):
        server.ask("/page/render", {"text": "a"})
        server.ask("/page/none.js")
    assert [record.message for record in caplog.records if "/page/render" in record.message] == []
    assert len([record for record in caplog.records if "/page/none.js" in record.message]) == 1
