"""Chat templates that fail, escape or do not end: one error, within bounds."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jinja2 import TemplateError

from dunwu.models import chat_text
from dunwu.models.chat_text import apply_chat
from tests.models.smol_like import smol_tokenizer

CHAT = [{"role": "user", "content": "How many?"}]
ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return smol_tokenizer()


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
        "{% set _ = messages.append(1) %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'a' * 10 ** 15 }}",
        "{{ 1 // 0 }}",
        "{{ raise_exception('no') }}",
        "{{ '\\ud800' }}",
        "{{ messages[0].nothing.more }}",
    ],
)
def test_what_a_template_may_not_do(jinja: str, tokenizer: Any) -> None:
    with pytest.raises(TemplateError):
        apply_chat(tokenizer, CHAT, True, jinja)


def test_a_template_that_does_not_end(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr(chat_text, "MOST_SECONDS", 0.3)
    with pytest.raises(TemplateError, match="seconds"):
        apply_chat(tokenizer, CHAT, True, ENDLESS)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_template_that_writes_too_much(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_text, "MOST_CHARACTERS", 100)
    assert apply_chat(tokenizer, CHAT, True, "{{ 'a' * 100 }}") == "a" * 100
    with pytest.raises(TemplateError, match="101 characters"):
        apply_chat(tokenizer, CHAT, True, "{{ 'a' * 101 }}")


def test_other_threads_render_too(tokenizer: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(apply_chat, tokenizer, CHAT, True, "{{ messages[0].content }}").result() == "How many?"
