"""Lets a model go on from given beginnings of completions, and verifies the whole. The sampled part has the room that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dunwu.evaluation.result import EvaluationRow
from dunwu.evaluation.rows import evaluation_row
from dunwu.evaluation.session import EvaluationSession
from dunwu.text.answer_forms import as_read
from dunwu.types import Completion, Prompt, Request, Rollout, SamplingParams, TokenSequence

STEP = 64
"""Rooms are rounded up to a multiple of it, so that requests share batches; what was sampled beyond the room is dropped again."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The start of a completion, ``text``, after a prompt; up to ``room`` tokens follow, drawn with ``seed``."""

    prompt: Prompt
    text: str
    room: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Continuation:
    """What the model wrote after a beginning, its tokens, and the row of the whole completion."""

    text: str
    tokens: int
    row: EvaluationRow


def encoded(session: EvaluationSession, text: str) -> tuple[int, ...]:
    """The tokens of a beginning. They need not be those that were sampled: stored completions are text."""
    return tuple(session.tokenizer.encode(text, add_special_tokens=False))


def continued(session: EvaluationSession, beginnings: Sequence[Beginning], params: SamplingParams, positions: int) -> list[Continuation]:
    """One continuation of each beginning, in order. It depends on its beginning and seed alone, not on the others."""
    starts = [encoded(session, each.text) for each in beginnings]
    requests = [_request(each, ids, params, positions) for each, ids in zip(beginnings, starts, strict=True)]
    sampled = session.engine.generate(requests)
    wholes = []
    for place, (each, ids, made) in enumerate(zip(beginnings, starts, sampled, strict=True)):
        kept = _within(session, made, each.room)
        tokens = TokenSequence.drawn(ids, (0.0,) * len(ids), session.engine.policy_version) + kept.tokens
        whole = Completion(tokens, each.text + kept.text, kept.finish_reason)
        session.pool.submit(place, as_read(each.prompt.problem, whole.finish_reason == "length"), each.prompt.prefill + whole.text)
        wholes.append((kept, whole))
    rewards = session.pool.collect()
    return [
        Continuation(kept.text, len(kept.tokens), evaluation_row(Rollout(each.prompt, whole, rewards[place]), place, session.tokenizer))
        for place, (each, (kept, whole)) in enumerate(zip(beginnings, wholes, strict=True))
    ]


def _request(beginning: Beginning, ids: tuple[int, ...], params: SamplingParams, positions: int) -> Request:
    assert beginning.room >= 1, f"a continuation has room for {beginning.room} tokens"
    given = beginning.prompt.token_ids + ids
    rounded = -(-beginning.room // STEP) * STEP
    return Request(given, replace(params, max_tokens=max(beginning.room, min(rounded, positions - len(given)))), beginning.seed)


def _within(session: EvaluationSession, made: Completion, room: int) -> Completion:
    """The first ``room`` tokens of a completion."""
    if len(made.tokens) <= room:
        return made
    ids = made.tokens.ids[:room]
    text = session.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return Completion(TokenSequence.drawn(ids, made.tokens.behaviour_logprobs[:room], max(made.tokens.versions)), text, "length")
