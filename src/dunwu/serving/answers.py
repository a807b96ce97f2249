"""The shapes of answers: chat completions and completions, whole and as chunks of a stream, with the usage fields of DeepSeek."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dunwu.serving.choices import Choice, Delta, TokenLogprob

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """What every object of one answer repeats."""

    id: str
    created: int
    model: str
    fingerprint: str

    def object(self, kind: str, choices: Sequence[Json]) -> Json:
        """An object of this kind."""
        named = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**named, "system_fingerprint": self.fingerprint, "choices": list(choices)}


def usage(prompt_tokens: int, choices: Sequence[Choice]) -> Json:
    """Tokens used, in the fields of OpenAI and of DeepSeek. The chain of thought counts as completion."""
    completion = sum(choice.tokens for choice in choices)
    cached = min(max((choice.cached for choice in choices), default=0), prompt_tokens)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": sum(choice.reasoning_tokens for choice in choices)},
        "prompt_cache_hit_tokens": cached,
        "prompt_cache_miss_tokens": prompt_tokens - cached,
    }


def chat_choice(place: int, delta: Delta, logprobs: bool) -> Json:
    """A whole choice of a chat completion, from all its deltas joined."""
    reasoning = delta.parts.reasoning or None
    message = {"role": "assistant", "content": delta.parts.content, "reasoning_content": reasoning, "reasoning": reasoning}
    shown = chat_logprobs(delta.logprobs) if logprobs else None
    return {"index": place, "message": message, "logprobs": shown, "finish_reason": delta.finish}


def chat_deltas(place: int, delta: Delta, logprobs: bool) -> list[Json]:
    """The chunks' choices for what is new: reasoning first, then content, never both in one."""
    found = []
    for reasoning, text in ((True, delta.parts.reasoning), (False, delta.parts.content)):
        tokens = [each for each in delta.logprobs if each.reasoning == reasoning]
        if text or (logprobs and tokens):
            thought, said = (text, None) if reasoning else (None, text)
            shown = chat_logprobs(tokens) if logprobs else None
            found.append(_chunk(place, {"content": said, "reasoning_content": thought, "reasoning": thought}, shown, None))
    if delta.finish is not None:
        found.append(_chunk(place, {"content": "", "reasoning_content": None, "reasoning": None}, None, delta.finish))
    return found


def chat_opening(place: int) -> Json:
    """The choice of the first chunk, which has the role."""
    return _chunk(place, {"role": "assistant", "content": "", "reasoning_content": None, "reasoning": None}, None, None)


def _chunk(place: int, delta: Mapping[str, Any], logprobs: Json | None, finish: str | None) -> Json:
    return {"index": place, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> Json:
    """Log-probabilities by part."""
    parts: dict[bool, list[Json]] = {False: [], True: []}
    for each in tokens:
        raw = list(each.token.encode())
        parts[each.reasoning].append({"token": each.token, "logprob": each.logprob, "bytes": raw, "top_logprobs": []})
    return {"content": parts[False], "reasoning_content": parts[True], "refusal": None}


def text_choice(place: int, delta: Delta, logprobs: bool, offset: int = 0) -> Json:
    """A choice of a completion, whole or as a chunk; ``offset``: characters before it."""
    shown = text_logprobs(delta.logprobs, offset) if logprobs else None
    return {"index": place, "text": delta.parts.content, "logprobs": shown, "finish_reason": delta.finish}


def text_logprobs(tokens: Sequence[TokenLogprob], offset: int) -> Json:
    """Log-probabilities in the form of completions."""
    offsets = []
    for each in tokens:
        offsets.append(offset)
        offset += len(each.token)
    names, found = [each.token for each in tokens], [each.logprob for each in tokens]
    return {"tokens": names, "token_logprobs": found, "top_logprobs": None, "text_offset": offsets}


def event(data: Json | str) -> bytes:
    """An event of a stream."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()
