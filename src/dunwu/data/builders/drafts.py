"""A question with a reasoned answer that may become a fine-tuning row, and the filters that decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dunwu.config.data import FiltersConfig, ReplyBuilder
from dunwu.data.builders.certificate import Benchmark, is_clean
from dunwu.data.builders.funnel import Funnel
from dunwu.data.builders.near_duplicates import first_of_their_kind
from dunwu.data.io.turns import REASONING_KEY
from dunwu.models.thinking import TAGS, parse_completion
from dunwu.rewards.repetition import repetition_penalty
from dunwu.text.language import LANGUAGES, language_share, majority_language
from dunwu.text.words import tokens

CountTokens = Callable[[Sequence[str]], Sequence[int]]
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)
_PARAGRAPHS = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Draft:
    """``reply`` is what follows the reasoning, answer tags included; ``columns`` go into the row unchanged."""

    question: str
    reasoning: str
    reply: str
    source: str
    language: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """Reasoning and reply as one text."""
        return f"{self.reasoning}\n{self.reply}" if self.reasoning else self.reply

    @property
    def completion(self) -> str:
        """The draft in the form of a model's completion."""
        return f"<think>{self.reasoning}</think>{self.reply}"

    def row(self, form: str = "think", special_token: str = "") -> dict[str, Any]:
        """A row of ``messages``. ``special``: the cold-start form of DeepSeek-R1 (arXiv 2501.12948, section 2.3.1)."""
        reply = {"role": "assistant", "content": self.reply}
        if form == "special" and self.reasoning:
            reply["content"] = f"|{special_token}|{self.reasoning}|{special_token}|{self.reply}"
        elif self.reasoning:
            reply[REASONING_KEY] = self.reasoning
        messages = [{"role": "user", "content": self.question}, reply]
        return {"messages": messages, "source": self.source, "language": self.language, **self.columns}


def split_reply(text: str) -> tuple[str, str] | None:
    """Reasoning, and the reply with its answer tags; ``None`` if the reasoning is not closed or contains tags, or the reply is empty."""
    if "<think>" not in text and "</think>" not in text:
        return ("", text.strip()) if text.strip() else None
    reasoning, reply = parse_completion(text).reasoning or "", text.partition("</think>")[2].strip()
    clean_cut = "think>" not in reply and not any(tag in reasoning for tag in TAGS)
    return (reasoning, reply) if reply and clean_cut else None


def language_of(text: str, fallback: str) -> str:
    """The language of most words of ``text`` if `dunwu.text.language` knows it, otherwise ``fallback``."""
    found = majority_language(text) or fallback
    return found if found in LANGUAGES else fallback


def readable(drafts: Sequence[Draft], filters: FiltersConfig, funnel: Funnel, count: CountTokens) -> list[Draft]:
    """The drafts that pass all filters; ``count`` gives the number of tokens of each text."""
    left = funnel.sift("mixed language", drafts, lambda d: _one_language(d, filters), _show)
    left = funnel.sift("long paragraph", left, lambda d: _short_paragraphs(d.reasoning, filters.max_paragraph_words), _show)
    left = funnel.sift("code blocks", left, lambda d: tidy_code(d.answer, filters.code), _show)
    left = funnel.sift("repetition", left, lambda d: _repeats(d.answer, filters) <= filters.max_repetition, _show)
    lengths = zip(count([d.answer for d in left]), count([d.question for d in left]), strict=True)
    most = filters.max_tokens or float("inf")
    return funnel.keep("length", left, [own >= filters.min_tokens and own + asked <= most for own, asked in lengths], _show)


def different(drafts: Sequence[Draft], threshold: float, funnel: Funnel) -> list[Draft]:
    """Drop near-duplicates."""
    verdicts = first_of_their_kind([f"{draft.question}\n{draft.answer}" for draft in drafts], threshold)
    return funnel.keep("near-duplicate", drafts, verdicts, _show)


def clean(drafts: Sequence[Draft], benchmarks: Sequence[Benchmark], funnel: Funnel) -> list[Draft]:
    """Drop drafts that overlap with evaluation sets."""
    return funnel.sift("in an evaluation set", drafts, lambda d: is_clean(benchmarks, d.question, [d.reasoning, d.reply]), _show)


def finish(drafts: Sequence[Draft], config: ReplyBuilder, funnel: Funnel, benchmarks: Sequence[Benchmark]) -> list[dict[str, Any]]:
    """Rows of the drafts that are neither near-duplicates nor in an evaluation set."""
    left = clean(different(drafts, config.near_duplicates, funnel), benchmarks, funnel)
    return [draft.row(config.form, config.special_token) for draft in left]


def tidy_code(text: str, code: str) -> bool:
    """True if the code blocks are as ``code`` demands. ``balanced``: each fence is closed by one of the same kind, at least as long;
    ``none``: there are no fences."""
    opened = ""
    for fence in _FENCE.findall(text):
        if code == "none":
            return False
        if not opened:
            opened = fence
        elif fence.startswith(opened):
            opened = ""
    return not opened or code == "any"


def _one_language(draft: Draft, filters: FiltersConfig) -> bool:
    share = language_share(draft.reasoning if filters.language_of == "reasoning" else draft.answer, draft.language)
    return share is None or share >= filters.min_language


def _short_paragraphs(text: str, most: int) -> bool:
    return not most or all(len(tokens(paragraph)) <= most for paragraph in _PARAGRAPHS.split(text))


def _repeats(text: str, filters: FiltersConfig) -> float:
    return -repetition_penalty(text, filters.repetition_words)


def _show(draft: Draft) -> dict[str, str]:
    return {"question": draft.question, "answer": draft.answer}
