r"""``<think> ... </think> <answer> ... </answer>``: the reasoning and the answer of a completion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from dunwu.text.answer_forms import DEFAULT, Form, form_named
from dunwu.types import AnswerForm, Rollout

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """``reasoning`` and ``answer`` stripped of outer white space (``None``: there is none); ``problem`` says why it is not well-formed.

    ``visible`` is what a user reads: everything after the reasoning, without answer tags; empty if the reasoning never ends.
    """

    reasoning: str | None
    answer: str | None
    well_formed: bool
    problem: str = ""
    visible: str = ""


@lru_cache(maxsize=4096)
def parse_completion(text: str, end_marker: str = "", answer_form: AnswerForm = DEFAULT) -> ParsedCompletion:
    r"""Parse prefill + completion.

    With tags, well-formed is exactly ``<think>...</think>``, white space, a non-empty ``<answer>...</answer>``, and nothing else
    but white space and at most one ``end_marker``; each tag once. In any other form it is a text with an answer, with or without one
    closed chain of thought before it. Rules for the answer of any other text, in the default form:

    1. Only text after the first ``</think>`` can answer; without think tags, the whole text. Unclosed reasoning has no answer.
    2. There must be one ``<answer>`` and one ``</answer>``, in this order; the text between is the answer, whatever surrounds it.
       More of either means several answers, which count as none.
    3. If neither tag occurs, the last ``\boxed{}`` is the answer, unless different boxes are offered side by side (`dunwu.text.boxes`).
    """
    text = text.strip()
    if end_marker and text.endswith(end_marker):
        text = text[: -len(end_marker)].rstrip()
    reasoning, tail, closed = _split_reasoning(text)
    form = form_named(answer_form)
    answer, problem = form.find(tail) if closed else (None, "the reasoning is not closed")
    problem = problem or _malformation(text, tail, form)
    visible = tail.replace("<answer>", "").replace("</answer>", "").strip()
    return ParsedCompletion(reasoning, answer, not problem, problem, visible)


def _split_reasoning(text: str) -> tuple[str | None, str, bool]:
    """The reasoning, the text that may contain the answer, and whether the reasoning is closed (or absent)."""
    head, close, tail = text.partition("</think>")
    _, open_tag, inside = head.partition("<think>")
    if close:
        return (inside if open_tag else head).strip(), tail, True
    return (inside.strip(), "", False) if open_tag else (None, text, True)


def _malformation(text: str, tail: str, form: Form) -> str:
    """Why a text with one answer is not well-formed; empty if it is."""
    if not form.tagged:
        counts = text.count("<think>"), text.count("</think>")
        return "" if counts in ((0, 0), (1, 1)) and (not counts[0] or text.startswith("<think>")) else "misplaced think tags"
    for tag in TAGS:
        if text.count(tag) != 1:
            return f"{text.count(tag)} times {tag}"
    if not text.startswith("<think>"):
        return "text before <think>"
    if not tail.lstrip().startswith("<answer>"):
        return "text between </think> and <answer>"
    return "" if text.endswith("</answer>") else "text after </answer>"


class Encoder(Protocol):
    """The part of a tokenizer that counts tokens."""

    @property
    def eos_token(self) -> str | None: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


def thinking_tokens(rollout: Rollout, tokenizer: Encoder) -> int:
    """Tokens of the reasoning, re-encoded because ``</think>`` may not be one token: 0 without think tags, all of it if never closed."""
    completion = rollout.completion
    reasoning = parse_completion(rollout.prompt.prefill + completion.text, tokenizer.eos_token or "").reasoning
    return min(len(tokenizer.encode(reasoning, add_special_tokens=False)), completion.tokens.sampled_count) if reasoning else 0
