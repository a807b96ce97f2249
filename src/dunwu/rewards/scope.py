"""What a part of the reward may see. A scope is a type, so that a part that judges the summary is never given the chain of thought.

DeepSeek-R1 (arXiv 2501.12948, section 2.3.4): helpfulness is judged on the final summary alone, harmlessness on the whole output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from dunwu.models.thinking import ParsedCompletion, parse_completion
from dunwu.text.answer_forms import DEFAULT
from dunwu.types import AnswerForm


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything: prefill + completion, and its parse."""

    text: str
    completion: ParsedCompletion


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The chain of thought alone; may be empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Visible:
    """What the user reads: the text after the chain of thought, without answer tags; empty if the reasoning never ends."""

    text: str


Scope = TypeVar("Scope", Whole, Reasoning, Visible)


AnyScope = type[Whole] | type[Reasoning] | type[Visible]
SCOPES: Mapping[str, AnyScope] = {"whole": Whole, "reasoning": Reasoning, "visible": Visible}
"""Scopes by their name in a configuration."""


def look_at(text: str, end_marker: str = "", answer_form: AnswerForm = DEFAULT) -> Whole:
    """The widest scope of prefill + completion; the other arguments as for `parse_completion`."""
    return Whole(text, parse_completion(text, end_marker, answer_form))


def narrow(whole: Whole, scope: type[Scope]) -> Scope:
    """The part of ``whole`` that ``scope`` allows."""
    seen: Whole | Reasoning | Visible = whole
    if scope is Reasoning:
        seen = Reasoning(whole.completion.reasoning or "")
    elif scope is Visible:
        seen = Visible(whole.completion.visible)
    assert isinstance(seen, scope), f"{scope} is not a scope"
    return seen


def text_in(whole: Whole, scope: AnyScope) -> str:
    """The text that ``scope`` allows."""
    if scope is Reasoning:
        return narrow(whole, Reasoning).text
    return narrow(whole, Visible).text if scope is Visible else whole.text
