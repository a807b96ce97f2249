"""Renders conversations with a tokenizer's chat template. All rendering goes through this module, so that a run has one date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import TemplateError

from dunwu.models.protocols import Tokenizer
from dunwu.run.date import strftime_now

_ANSWER = "Eight and a half."
_TURNS = ({"role": "user", "content": "How many?"}, {"role": "assistant", "content": _ANSWER})
# Errors in a template's code, apart from those it raises on purpose, for a conversation that it was not written for.
_TEMPLATE_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)


def apply_chat(tokenizer: Tokenizer, chat: Sequence[Mapping[str, str]], continued: bool, template: str | None = None) -> str:
    """The text of ``chat``, with the start of the next answer if ``continued``; ``template`` (jinja) replaces the tokenizer's own.

    Raises jinja's ``TemplateError`` if the template refuses the conversation or its code fails.
    """
    jinja = template or tokenizer.get_chat_template()
    if writes_date(jinja):
        from transformers.utils.chat_template_utils import _compile_jinja_template  # light modules import this one

        # transformers passes only data to a template, so we replace the clock in the compiled template, which it caches.
        _compile_jinja_template(jinja).globals["strftime_now"] = strftime_now
    try:
        return str(tokenizer.apply_chat_template(list(chat), chat_template=jinja, tokenize=False, add_generation_prompt=continued))
    except _TEMPLATE_ERRORS as error:
        raise TemplateError(f"{type(error).__name__}: {error}") from error


def writes_date(jinja: object) -> bool:
    """True if a template uses the date."""
    return isinstance(jinja, str) and "strftime_now" in jinja


def chat_end(tokenizer: Tokenizer) -> str | None:
    """The special token with which the tokenizer's chat template ends an assistant's turn; ``None`` without such a template or token."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    try:
        text = apply_chat(tokenizer, _TURNS, continued=False)
    except TemplateError:
        return None
    after = text.rpartition(_ANSWER)[2].lstrip()
    special = {added.content for added in tokenizer.added_tokens_decoder.values() if added.special} | set(tokenizer.all_special_tokens)
    return max((token for token in special if token and after.startswith(token)), key=len, default=None)
