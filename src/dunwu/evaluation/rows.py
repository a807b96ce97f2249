"""From a verified rollout to a row of an evaluation. Imports no torch."""

from __future__ import annotations

from dunwu.evaluation.result import EvaluationRow
from dunwu.evaluation.votes import vote_key
from dunwu.models.reflection import count_reflections
from dunwu.models.thinking import Encoder, parse_completion, thinking_tokens
from dunwu.types import Rollout
from dunwu.verifiers.unread import why_unread
from dunwu.verifiers.verify import candidate


def evaluation_row(rollout: Rollout, sample: int, tokenizer: Encoder) -> EvaluationRow:
    """What is kept of one completion.

    Reflective words are counted in all of the completion, in both languages.
    """
    problem, completion, verdict = rollout.prompt.problem, rollout.completion, rollout.reward.verdict
    parsed = parse_completion(rollout.prompt.prefill + completion.text, str(tokenizer.eos_token or ""))
    answer = candidate(problem, parsed)
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
        thinking_tokens=thinking_tokens(rollout, tokenizer),
        tokens=completion.tokens.sampled_count,
        finish_reason=completion.finish_reason,
        score=verdict.score,
        verdict=verdict.reason,
        reflections=count_reflections(completion.text),
        answer=answer,
        vote=vote_key(answer, problem.verifier) if votes else None,
        unread=why_unread(rollout, str(tokenizer.eos_token or "")),
    )
