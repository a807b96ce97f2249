"""Renders conversations with a tokenizer's chat template. All rendering goes through this module, so that a run has one date."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from dunwu.errors import ConfigError
from dunwu.models.protocols import Tokenizer
from dunwu.run.date import strftime_now

_ANSWER = "Eight and a half."
_TURNS = ({"role": "user", "content": "How many?"}, {"role": "assistant", "content": _ANSWER})
_VARIABLES = ("messages", "add_generation_prompt", "tools", "documents", "bos_token", "eos_token", "unk_token", "pad_token")
# Errors in a template's code, apart from those it raises on purpose, for a conversation that it was not written for.
_TEMPLATE_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError)
MOST_CHARACTERS = 10_000_000
"""Characters that a template may write; a context of a million tokens has about four million."""
MOST_SECONDS = 10.0
"""A template takes less than a thousandth of a second, and the largest a second to compile."""


def apply_chat(tokenizer: Tokenizer, chat: Sequence[Mapping[str, str]], continued: bool, template: str | None = None, **more: str) -> str:
    """The text of ``chat``, with the start of the next answer if ``continued``; ``template`` (jinja) replaces the tokenizer's own, and gets
    ``more`` variables. transformers renders it in jinja's sandbox.

    Raises jinja's ``TemplateError`` if the template refuses the conversation, its code fails, or it writes or computes without end.
    """
    jinja = template or tokenizer.get_chat_template()
    settings = {"chat_template": jinja, "tokenize": False, "add_generation_prompt": continued}
    try:
        with _limited():
            if writes_date(jinja):
                from transformers.utils.chat_template_utils import _compile_jinja_template  # light modules import this one

                # transformers passes only data to a template, so we replace the clock in the compiled template, which it caches.
                _compile_jinja_template(jinja).globals["strftime_now"] = strftime_now
            text = str(tokenizer.apply_chat_template(list(chat), **settings, **more))
        text.encode()  # a lone surrogate is no text for a tokenizer
    except _TEMPLATE_ERRORS as error:
        raise TemplateError(f"{type(error).__name__}: {error}") from error
    if len(text) > MOST_CHARACTERS:
        raise TemplateError(f"it writes {len(text):,} characters")
    return text


@contextmanager
def _limited() -> Iterator[None]:
    """Within ``with`` a template has `MOST_SECONDS`; in other threads than the main one, which get no signals, as long as it likes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise TemplateError(f"it takes more than {MOST_SECONDS:.0f} seconds")


def writes_date(jinja: object) -> bool:
    """True if a template uses the date."""
    return isinstance(jinja, str) and "strftime_now" in jinja


def check_jinja(jinja: str, more: Sequence[str] = ()) -> None:
    """Raise ``ConfigError`` for Jinja of the user that is not valid, or names a variable that it never gets (``more``: further ones).

    Undefined variables are empty in chat templates, in transformers too: a misspelt one would be missing from every prompt.
    """
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        environment = _compile_jinja_template(jinja).environment
        tree = environment.parse(jinja)
    except TemplateSyntaxError as error:
        raise ConfigError(f"template.jinja, line {error.lineno}: {str(error.message).rstrip('.')}; fix the template") from None
    known = {*_VARIABLES, *more}
    if unknown := meta.find_undeclared_variables(tree) - known - environment.globals.keys() - _tested(tree):
        raise ConfigError(f"template.jinja: unknown variable {min(unknown)!r}; there are {', '.join(sorted(known))}")


def _tested(tree: nodes.Template) -> set[str]:
    """Variables that may be missing, as the template tests whether they are defined or gives a default."""
    tests = [test.node for test in tree.find_all(nodes.Test) if test.name in ("defined", "undefined")]
    tests += [each.node for each in tree.find_all(nodes.Filter) if each.name in ("default", "d") and each.node is not None]
    return {node.name for node in tests if isinstance(node, nodes.Name)}


def chat_end(tokenizer: Tokenizer, template: str | None = None) -> str | None:
    """The special token with which the tokenizer's chat template, or ``template``, ends an assistant's turn; ``None`` without such a
    template or token."""
    if not template and not getattr(tokenizer, "chat_template", None):
        return None
    try:
        text = apply_chat(tokenizer, _TURNS, continued=False, template=template)
    except TemplateError:
        return None
    after = text.rpartition(_ANSWER)[2].lstrip()
    return max((token for token in special_tokens(tokenizer) if token and after.startswith(token)), key=len, default=None)


def special_tokens(tokenizer: Tokenizer) -> set[str]:
    """The texts that stand for special tokens."""
    return {added.content for added in tokenizer.added_tokens_decoder.values() if added.special} | set(tokenizer.all_special_tokens)
