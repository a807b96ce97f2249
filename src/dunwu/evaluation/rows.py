"""From a verified rollout to a row of an evaluation. Imports no torch."""

from __future__ import annotations

from typing import Protocol

from dunwu.evaluation.reflection import count_reflections
from dunwu.evaluation.result import EvaluationRow
from dunwu.evaluation.votes import vote_key
from dunwu.models.thinking import parse_completion
from dunwu.types import Rollout


class Tokenizer(Protocol):
    """What is needed of a tokenizer."""

    @property
    def eos_token(self) -> str | None: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


def evaluation_row(rollout: Rollout, sample: int, tokenizer: Tokenizer) -> EvaluationRow:
    """What is kept of one completion.

    Reflective words are counted in all of the completion, in both languages. ``thinking_tokens`` are those of the reasoning encoded anew,
    as ``</think>`` need not be one token: 0 without think tags, all of it where the reasoning is never closed.
    """
    problem, completion, verdict = rollout.prompt.problem, rollout.completion, rollout.reward.verdict
    parsed = parse_completion(rollout.prompt.prefill + completion.text, str(tokenizer.eos_token or ""))
    thinking = len(tokenizer.encode(parsed.reasoning, add_special_tokens=False)) if parsed.reasoning else 0
    human = problem.data.get("human_seconds")
    votes = verdict.score is not None and verdict.reason != "unparsable"
    return EvaluationRow(
        problem_id=problem.id,
        text=problem.text,
        language=problem.language,
        difficulty=problem.difficulty,
        human_seconds=None if human is None else float(human),
        sample=sample,
        completion=completion.text,
        thinking_tokens=min(thinking, len(completion.token_ids)),
        tokens=len(completion.token_ids),
        finish_reason=completion.finish_reason,
        score=verdict.score,
        verdict=verdict.reason,
        reflections=count_reflections(completion.text),
        answer=parsed.answer,
        vote=vote_key(parsed.answer, problem.verifier) if votes else None,
    )
