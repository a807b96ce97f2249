"""Makes evaluation rows from verified rollouts. Imports no torch."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from dunwu.evaluation.result import EvaluationRow
from dunwu.models.reflection import count_reflections
from dunwu.models.thinking import Encoder, parse_completion, thinking_tokens
from dunwu.text.answer_forms import as_read, form_of
from dunwu.types import Problem, Rollout, VerifierName
from dunwu.verifiers.math.values import Scalar
from dunwu.verifiers.math.verify import answer_readings
from dunwu.verifiers.unread import why_unread
from dunwu.verifiers.verify import candidate


def evaluation_row(rollout: Rollout, sample: int, tokenizer: Encoder, group_by: Sequence[str] = ()) -> EvaluationRow:
    """The row of one completion. Reflective words are counted in the whole completion, in both languages."""
    completion, verdict = rollout.completion, rollout.reward.verdict
    problem = as_read(rollout.prompt.problem, completion.finish_reason == "length")
    parsed = parse_completion(rollout.prompt.prefill + completion.text, str(tokenizer.eos_token or ""), form_of(problem).name)
    answer = candidate(problem, parsed)
    votes = verdict.score is not None and verdict.reason != "unparsable"
    return EvaluationRow(
        problem_id=problem.id,
        text=problem.text,
        language=problem.language,
        difficulty=problem.difficulty,
        human_seconds=_seconds(problem.data.get("human_seconds")),
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
        timed_out=verdict.reason == "timeout" or verdict.detail.startswith(TIME_LIMIT),
        groups=groups_of(problem, group_by),
    )


def _seconds(value: Any) -> float | None:
    """A solving time; ``None`` for what is none: text, true, a negative or an endless one."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < LONGEST_SECONDS
    return float(value) if known else None


LONGEST_SECONDS = 1e12


def groups_of(problem: Problem, group_by: Sequence[str]) -> str:
    """The values of the problem's columns as JSON, ``gold`` for its answer; those that it lacks or that are no plain value are left out."""
    columns = {"gold": problem.answer, **problem.data}
    values = {column: value for column in group_by if isinstance(value := columns.get(column), str | int | float)}
    return json.dumps(values, ensure_ascii=False) if values else ""


TIME_LIMIT = "time_limit"
"""Start of the detail of a program's verdict (`dunwu.verifiers.code.verify`)."""
_OPERATORS = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-", "[": "(", "]": ")", "{": "(", "}": ")"}
)
_NUMBER = re.compile(r"[+-]?\d{1,60}(?:\.\d{1,60})?(?:/0*[1-9]\d{0,59})?", re.ASCII)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))", re.ASCII)


def vote_key(answer: str | None, verifier: VerifierName) -> str | None:
    """The key under which ``answer`` votes in majority@k, ``None`` if it is empty. It never depends on the gold answer or the score.

    Expressions vote as written: by value, all right answers would vote as one, because the target is part of the question.
    """
    text = unicodedata.normalize("NFKC", answer or "").strip()
    match verifier:
        case "expression":
            key = re.sub(r"\s+", "", text).translate(_OPERATORS).partition("=")[0]
        case "plain_number":
            key = _number(text)
        case "number" | "math":
            key = _mathematics(text)
        case "choice" | "text" | "names":
            key = " ".join(text.casefold().split())
        case _:
            key = " ".join(text.split())
    return key or None


def _mathematics(text: str) -> str:
    r"""The exact value of a constant, anything else as written: ``\frac12`` votes with ``0.5``, ``\sqrt{8}`` with ``2\sqrt{2}``."""
    for value in answer_readings(text):
        if isinstance(value, Scalar) and value.form is not None and not any(powers for _, powers in value.form.terms):
            return value.form.name if value.form.rational is None else str(value.form.rational)
    return re.sub(r"\s+", "", text)


def _number(text: str) -> str:
    """The exact value if the text is one number (``1,200``, ``0.50``, ``-3/4``), otherwise the text without whitespace."""
    plain = _THOUSANDS.sub("", re.sub(r"\s+", "", text).translate(_OPERATORS).strip("$").rstrip("."))
    if not _NUMBER.fullmatch(plain):
        return plain
    top, _, bottom = plain.partition("/")
    return str(Fraction(top) / Fraction(bottom or 1))
