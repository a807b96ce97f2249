"""Renders conversations with a tokenizer's chat template. All rendering goes through this module, so that a run has one date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from dunwu.errors import ConfigError
from dunwu.models.protocols import Tokenizer
from dunwu.run.date import strftime_now

_ANSWER = "Eight and a half."
_TURNS = ({"role": "user", "content": "How many?"}, {"role": "assistant", "content": _ANSWER})
_VARIABLES = ("messages", "add_generation_prompt", "tools", "documents", "bos_token", "eos_token", "unk_token", "pad_token")
# Errors in a template's code, apart from those it raises on purpose, for a conversation that it was not written for.
_TEMPLATE_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)


def apply_chat(tokenizer: Tokenizer, chat: Sequence[Mapping[str, str]], continued: bool, template: str | None = None, **more: str) -> str:
    """The text of ``chat``, with the start of the next answer if ``continued``; ``template`` (jinja) replaces the tokenizer's own, and gets
    ``more`` variables. transformers renders it in jinja's sandbox.

    Raises jinja's ``TemplateError`` if the template refuses the conversation or its code fails.
    """
    jinja = template or tokenizer.get_chat_template()
    if writes_date(jinja):
        from transformers.utils.chat_template_utils import _compile_jinja_template  # light modules import this one

        # transformers passes only data to a template, so we replace the clock in the compiled template, which it caches.
        _compile_jinja_template(jinja).globals["strftime_now"] = strftime_now
    try:
        return str(tokenizer.apply_chat_template(list(chat), chat_template=jinja, tokenize=False, add_generation_prompt=continued, **more))
    except _TEMPLATE_ERRORS as error:
        raise TemplateError(f"{type(error).__name__}: {error}") from error


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
