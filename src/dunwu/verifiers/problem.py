"""Check that answers to a problem can be verified at all.

A fault of the problem itself (gold answer, rule, schema, tests) is reported once, when the problem is read. As a verdict it would be an
error in every reward, or stay hidden as long as completions have no answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from dunwu.process.attempt import attempt
from dunwu.text.answer_forms import DEFAULT, FORMS, KEY
from dunwu.types import Problem
from dunwu.verifiers.math.verify import check_gold
from dunwu.verifiers.verify import verify

_PROBES = {"json_schema": "{}", "plain_number": "0", "number": "0"}
"""Answers, right or not, that make the verifier read the problem; ``A`` for all other verifiers."""


def problem_fault(problem: Problem) -> str | None:
    """``None`` if answers can be verified, otherwise one line that says why not."""
    if problem.data.get(KEY, DEFAULT) not in list(FORMS):
        return f"data.{KEY} = {problem.data[KEY]!r}: choose from {', '.join(FORMS)}"
    match problem.verifier:
        case "none":
            return None
        case "reasoning_gym":  # its items are generated, not written by the user
            return None if "name" in problem.data else "data has no 'name'"
        case "math":
            return check_gold(problem.answer or "")
        case "code":
            return attempt(lambda: _tests_fault(problem), _readable)
        case _:
            return attempt(lambda: _verifier_fault(problem), _readable)


def _readable(message: str) -> str:
    kind, _, detail = message.partition(": ")
    return f"data has no {detail}" if kind == "KeyError" else detail.replace("Value error, ", "") if kind == "ValueError" else message


def _verifier_fault(problem: Problem) -> str | None:
    verdict = verify(problem, _PROBES.get(problem.verifier, "A"))
    if verdict.reason == "error":
        return verdict.detail
    if problem.verifier == "json_schema" and "value" in problem.data:
        own = verify(problem, json.dumps(problem.data["value"]))
        return None if own.score == 1.0 else f"data['value'] does not match data['schema']: {own.detail}"
    return None


def _tests_fault(problem: Problem) -> str | None:
    from dunwu.tasks.code_tests import CodeTests, read_literal

    tests = CodeTests.from_data(problem.data)
    for number, case in enumerate(tests.cases if tests.mode == "function" else ()):
        if not _is_valid(read_literal, case.input, _is_call):
            return f"cases.{number}.input {case.input[:60]!r}: write a literal (args, kwargs), such as ((3, 4), {{}})"
        if not _is_valid(read_literal, case.expected, lambda value: True):
            return f"cases.{number}.expected {case.expected[:60]!r}: write a Python literal"
    return None


def _is_call(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], tuple | list) and isinstance(value[1], dict)


def _is_valid(read: Callable[[str], object], literal: str, accepts: Callable[[object], bool]) -> bool:
    try:
        return accepts(read(literal))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
