"""Prompt templates, which turn a problem into the text that a model continues."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dunwu.errors import ConfigError
from dunwu.text.r1_wording import R1_WORDING
from dunwu.types import Problem

CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Template:
    """Text ``before`` and ``after`` the problem; ``prefill`` is the start of the completion, given to the model.

    ``ends_sentence``: add a full stop to the problem unless it ends with punctuation.
    """

    before: str
    after: str
    prefill: str = ""
    ends_sentence: bool = False


_R1_ZERO = f"{R1_WORDING} User: "

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "tiny": Template("User: ", "\nAssistant:"),
        "r1-zero": Template(_R1_ZERO, " Assistant:", ends_sentence=True),
        "r1-zero-prefilled": Template(_R1_ZERO, " Assistant: ", prefill="<think>\n", ends_sentence=True),
    }
)
"""By name. ``chat``, the tokenizer's own template, is not among them."""

_OPEN_THINK = re.compile(r"<think>\s*\Z")
_ENDS_WITH_PUNCTUATION = re.compile(r"[.!?:;。！？：；]\Z")


def render(problem: Problem, template: str, apply_chat: Callable[[str], str] | None = None) -> tuple[str, str]:
    """The prompt's text, which ends with the prefill, and the prefill alone.

    ``apply_chat`` turns the problem's text into a prompt and is needed for ``chat`` only; an open ``<think>`` at its end is the prefill.
    Raises ConfigError for an unknown template.
    """
    if template == CHAT:
        if apply_chat is None:
            raise ConfigError("template 'chat' needs a tokenizer with a chat template: choose 'r1-zero', or another model")
        text = apply_chat(problem.text)
        opened = _OPEN_THINK.search(text)
        return text, opened.group() if opened else ""
    if template not in TEMPLATES:
        raise ConfigError(f"unknown template {template!r}: choose from {', '.join([*TEMPLATES, CHAT])}")
    chosen = TEMPLATES[template]
    stop = "." if chosen.ends_sentence and not _ENDS_WITH_PUNCTUATION.search(problem.text) else ""
    return f"{chosen.before}{problem.text}{stop}{chosen.after}{chosen.prefill}", chosen.prefill
