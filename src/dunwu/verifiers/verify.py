"""The entry point to all verifiers."""

from __future__ import annotations

from typing import assert_never

from dunwu.models.thinking import ParsedCompletion
from dunwu.types import Problem, Verdict
from dunwu.verifiers.choice import verify_choice
from dunwu.verifiers.make_target import verify_expression
from dunwu.verifiers.math.verify import verify_math
from dunwu.verifiers.names import verify_names
from dunwu.verifiers.number import verify_plain_number
from dunwu.verifiers.reasoning_gym import verify_reasoning_gym
from dunwu.verifiers.refusal import verify_refusal
from dunwu.verifiers.text import verify_text

WHOLE_TEXTS = frozenset({"code", "instructions", "json_schema", "refusal", "none"})
"""Verifiers that check everything the user reads, not a short answer in it. Without a verifier, all of it is the answer too."""


def candidate(problem: Problem, completion: ParsedCompletion) -> str | None:
    """The part of a completion that the problem's verifier checks; ``None`` if it is empty."""
    return completion.visible or None if problem.verifier in WHOLE_TEXTS else completion.answer


def verify(problem: Problem, answer: str | None) -> Verdict:
    """Check ``answer`` with the problem's verifier. A missing answer is unparsable (score 0); without a verifier it is unverified.

    Never raises because of the answer; a malformed *problem* raises `KeyError` or `ValueError`, which rewards record as ``error``.
    Verifiers that need pydantic or jsonschema are imported on first use, since every reward worker loads this module.
    """
    if problem.verifier == "none":
        return Verdict(None, "unverified")
    if answer is None:
        return Verdict(0.0, "unparsable", "no answer")
    match problem.verifier:
        case "expression":
            return verify_expression(problem, answer)
        case "plain_number":
            return verify_plain_number(problem, answer)
        case "number" | "math":
            return verify_math(problem, answer)
        case "choice":
            return verify_choice(problem, answer)
        case "text":
            return verify_text(problem, answer)
        case "names":
            return verify_names(problem, answer)
        case "refusal":
            return verify_refusal(problem, answer)
        case "json_schema":
            from dunwu.verifiers.json_schema import verify_json_schema

            return verify_json_schema(problem, answer)
        case "instructions":
            from dunwu.verifiers.instructions import verify_instructions

            return verify_instructions(problem, answer)
        case "code":
            from dunwu.verifiers.code.verify import verify_code

            return verify_code(problem, answer)
        case "reasoning_gym":
            return verify_reasoning_gym(problem, answer)
        case _:
            assert_never(problem.verifier)
