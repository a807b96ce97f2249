"""Can answers to a problem be verified at all?

What a verifier finds wrong with the problem itself, a gold, a rule, a schema, tests, is said once, where the problem is read: as a verdict
it would be an error in every reward, or stay hidden behind completions without an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from dunwu.process.attempt import attempt
from dunwu.types import Problem
from dunwu.verifiers.math.verify import check_gold
from dunwu.verifiers.verify import verify

_PROBES = {"json_schema": "{}", "plain_number": "0", "number": "0"}
"""Answers, right or not, that make the verifier look at the problem; for all others ``A``."""


def problem_fault(problem: Problem) -> str | None:
    """``None`` where answers can be verified; else one line that says why not."""
    match problem.verifier:
        case "none":
            return None
        case "reasoning_gym":  # its items are made, not written
            return None if "name" in problem.data else "data has no 'name'"
        case "math":
            return check_gold(problem.answer or "")
        case "code":
            return attempt(lambda: _tests_fault(problem), _said)
        case _:
            return attempt(lambda: _verifier_fault(problem), _said)


def _said(message: str) -> str:
    kind, _, detail = message.partition(": ")
    return f"data has no {detail}" if kind == "KeyError" else detail.replace("Value error, ", "") if kind == "ValueError" else message


def _verifier_fault(problem: Problem) -> str | None:
    verdict = verify(problem, _PROBES.get(problem.verifier, "A"))
    if verdict.reason == "error":
        return verdict.detail
    if problem.verifier == "json_schema" and "value" in problem.data:
        own = verify(problem, json.dumps(problem.data["value"]))
        return None if own.score == 1.0 else f"data['value'] is wrong by its own schema: {own.detail}"
    return None


def _tests_fault(problem: Problem) -> str | None:
    from dunwu.tasks.code_tests import CodeTests, read_literal

    tests = CodeTests.from_data(problem.data)
    for number, case in enumerate(tests.cases if tests.mode == "function" else ()):
        if not _reads(read_literal, case.input, _is_call):
            return f"cases.{number}.input {case.input[:60]!r}: write a literal (args, kwargs), such as ((3, 4), {{}})"
        if not _reads(read_literal, case.expected, lambda value: True):
            return f"cases.{number}.expected {case.expected[:60]!r}: write a Python literal"
    return None


def _is_call(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], tuple | list) and isinstance(value[1], dict)


def _reads(read: Callable[[str], object], literal: str, right: Callable[[object], bool]) -> bool:
    try:
        return right(read(literal))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
