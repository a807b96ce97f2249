"""From a request's body to what is asked of the engine, by the rules of the API. What cannot be kept is refused, never dropped."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from dunwu.models.chat import Message, Role
from dunwu.serving.backend import Call, Facts
from dunwu.serving.bodies import ChatBody, ChatMessage, CompletionBody, SamplingBody
from dunwu.serving.errors import bad_request
from dunwu.serving.model import REASONER, ServedModel
from dunwu.serving.settings import ServerSettings
from dunwu.serving.splitting import without_reasoning
from dunwu.types import SamplingParams

MOST_STOPS = 16
"""Stop strings of a request."""
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Asking:
    """What a request asks for. ``calls`` has ``choices`` completions for each of the prompts, one after the other."""

    calls: tuple[Call, ...]
    prompt_tokens: int
    choices: int
    opened: bool
    stop: tuple[str, ...]
    logprobs: bool
    echoed: tuple[str, ...] = ()


def ask_chat(body: ChatBody, model: ServedModel, facts: Facts, settings: ServerSettings) -> Asking:
    """The completions of a conversation. Raises `ApiError` 400."""
    _refuse_unsupported(body)
    strict = settings.rules == "r1" and body.model == REASONER
    if strict and (body.logprobs or body.top_logprobs):
        raise bad_request(f"{REASONER} does not support logprobs", "logprobs")
    if body.top_logprobs:
        raise bad_request("top_logprobs is not supported: only the log-probabilities of the sampled tokens are known.", "top_logprobs")
    turns = conversation(body.messages, settings.rules == "r1")
    asked = model.prompt(turns, body.thinking is None or body.thinking.type != "disabled")
    params = sampling(body, model, facts, settings, len(asked.token_ids), fixed=strict)
    calls = _calls([asked.token_ids], params, body, settings)
    return Asking(calls, len(asked.token_ids), len(calls), asked.opened, stops(body), bool(body.logprobs))


def ask_completion(body: CompletionBody, model: ServedModel, facts: Facts, settings: ServerSettings) -> Asking:
    """The continuations of texts. Raises `ApiError` 400."""
    _refuse_penalties(body)
    if body.suffix:
        raise bad_request("suffix is not supported.", "suffix")
    if body.best_of not in (None, 1):
        raise bad_request("best_of is not supported: ask for n completions and choose among them.", "best_of")
    if body.logprobs is not None and body.logprobs > 1:
        raise bad_request("logprobs above 1 is not supported: only the log-probabilities of the sampled tokens are known.", "logprobs")
    if body.echo and body.logprobs is not None:
        raise bad_request("logprobs with echo is not supported: the prompt's log-probabilities are not computed.", "echo")
    prompts, texts = _prompts(body, model, facts)
    params = [sampling(body, model, facts, settings, len(prompt)) for prompt in prompts]
    calls = tuple(call for prompt, each in zip(prompts, params, strict=True) for call in _calls([prompt], each, body, settings))
    if len(calls) > settings.max_choices:
        raise bad_request(f"The request asks for {len(calls)} completions; at most {settings.max_choices} are made at once.", "prompt")
    choices = len(calls) // len(prompts)
    echoed = tuple(text for text in texts for _ in range(choices)) if body.echo else ()
    return Asking(calls, sum(map(len, prompts)), choices, False, stops(body), body.logprobs is not None, echoed)


def conversation(messages: Sequence[ChatMessage], strict: bool) -> list[Message]:
    """The turns without earlier chains of thought, which are never fed back. Raises `ApiError` 400.

    ``strict``: the rules at the time of R1, which refuse a chain of thought in the input and turns that do not alternate.
    """
    turns = [_turn(place, message, strict) for place, message in enumerate(messages)]
    spoken = [(place, turn.role) for place, turn in enumerate(turns) if turn.role != "system"]
    if not turns or turns[-1].role != "user":
        raise bad_request("The last message must be the user's.", "messages")
    for (first, role), (second, other) in pairwise(spoken):
        if strict and role == other:
            raise bad_request(f"messages[{first}] and messages[{second}] are both of the role {role}: turns must alternate.", "messages")
    return turns


def _turn(place: int, message: ChatMessage, strict: bool) -> Message:
    where = f"messages[{place}]"
    if message.role not in _ROLES or message.tool_calls:
        raise bad_request(f"{where}: tools are not supported.", f"{where}.role")
    if message.prefix:
        raise bad_request(f"{where}: completing the prefix of an answer is not supported.", f"{where}.prefix")
    if strict and message.reasoning_content is not None:
        raise bad_request(f"{where}: leave reasoning_content out: a chain of thought is not fed back.", f"{where}.reasoning_content")
    content = _text(message, where)
    return Message(_ROLES[message.role], without_reasoning(content) if message.role == "assistant" else content)


def _text(message: ChatMessage, where: str) -> str:
    if isinstance(message.content, str):
        return message.content
    if message.content is None:
        if message.role == "assistant":
            return ""
        raise bad_request(f"{where}: content is missing.", f"{where}.content")
    for part in message.content:
        if part.type != "text" or part.text is None:
            raise bad_request(f"{where}: a part of type {part.type[:40]!r} is not supported: send text.", f"{where}.content")
    return "\n".join(part.text or "" for part in message.content)


def sampling(
    body: SamplingBody, model: ServedModel, facts: Facts, settings: ServerSettings, prompt: int, fixed: bool = False
) -> SamplingParams:
    """How to sample; ``fixed``: as the model's defaults, whatever is asked. Raises `ApiError` 400 if it does not fit into the context."""
    room = facts.positions - prompt
    asked = body.max_completion_tokens or body.max_tokens
    if room < 1 or (asked or 0) > room:
        wanted = f" and {asked} of the completion (max_tokens)" if asked else ""
        raise bad_request(
            f"This model's maximum context length is {facts.positions} tokens; the request has {prompt} tokens of the prompt{wanted}.",
            "messages" if room < 1 else "max_tokens",
            "context_length_exceeded",
        )
    default = model.sampling
    ends = (*facts.stop_token_ids, *([] if model.end is None else [model.end]))
    most = min(asked or settings.max_tokens, settings.max_tokens, room)
    if fixed:
        return SamplingParams(most, default.temperature, default.top_p, default.top_k, default.min_p, tuple(dict.fromkeys(ends)))
    return SamplingParams(
        most,
        default.temperature if body.temperature is None else body.temperature,
        default.top_p if body.top_p is None else body.top_p,
        default.top_k if body.top_k is None else max(body.top_k, 0),
        default.min_p if body.min_p is None else body.min_p,
        tuple(dict.fromkeys(ends)),
    )


def stops(body: SamplingBody) -> tuple[str, ...]:
    """The stop strings. Raises `ApiError` 400 for too many, and for an empty one, which is everywhere."""
    given = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(given) > MOST_STOPS:
        raise bad_request(f"stop: {len(given)} stop strings are too many: send at most {MOST_STOPS}.", "stop")
    if "" in given:
        raise bad_request("stop: a stop string is empty.", "stop")
    return tuple(given)


def _calls(prompts: Sequence[tuple[int, ...]], params: SamplingParams, body: SamplingBody, settings: ServerSettings) -> tuple[Call, ...]:
    count = body.n or 1
    if count > settings.max_choices:
        raise bad_request(f"n = {count} is too large: at most {settings.max_choices} completions are made at once.", "n")
    first = secrets.randbits(62) if body.seed is None else body.seed
    return tuple(Call(prompt, params, _within(first + place)) for prompt in prompts for place in range(count))


def _within(seed: int) -> int:
    """The seed as a signed number of 64 bits."""
    return (seed + (1 << 63)) % (1 << 64) - (1 << 63)


def _prompts(body: CompletionBody, model: ServedModel, facts: Facts) -> tuple[list[tuple[int, ...]], list[str]]:
    """The prompts as tokens and as texts."""
    given = body.prompt
    if isinstance(given, str):
        texts: list[str | list[int]] = [given]
    elif given and isinstance(given[0], int):
        texts = [given]
    else:
        texts = list(cast("list[str | list[int]]", given))
    if not texts:
        raise bad_request("prompt is empty.", "prompt")
    found = [model.text_prompt(each) if isinstance(each, str) else tuple(each) for each in texts]
    for ids in found:
        if not ids:
            raise bad_request("prompt is empty.", "prompt")
        if wrong := [each for each in ids if not 0 <= each < facts.vocabulary]:
            raise bad_request(f"prompt: {wrong[0]} is not a token of this model.", "prompt")
    shown = [each if isinstance(each, str) else model.tokenizer.decode(each, skip_special_tokens=False) for each in texts]
    return found, shown


def _refuse_unsupported(body: ChatBody) -> None:
    _refuse_penalties(body)
    if body.tools or body.functions or body.tool_choice not in (None, "none", "auto"):
        raise bad_request("Tools are not supported.", "tools")
    if body.response_format is not None and body.response_format.type != "text":
        raise bad_request(
            f"response_format {body.response_format.type[:40]!r} is not supported: nothing makes the model keep to it.", "response_format"
        )


def _refuse_penalties(body: SamplingBody) -> None:
    if any((body.logit_bias or {}).values()):
        raise bad_request("logit_bias is not supported.", "logit_bias")
