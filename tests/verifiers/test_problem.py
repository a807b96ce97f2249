"""Problems that cannot be verified are reported."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.types import Problem, VerifierName
from dunwu.verifiers.problem import problem_fault

MALFORMED: list[tuple[VerifierName, Any, dict[str, Any]]] = [
    ("choice", "Z", {}),
    ("choice", None, {}),
    ("choice", "B", {"options": "Paris"}),
    ("choice", "C", {"options": ["x", "y"]}),
    ("text", "Paris", {"match": "zzz"}),
    ("text", "Paris", {"match": "fuzzy", "threshold": "much"}),
    ("text", None, {}),
    ("text", "?", {}),
    ("math", "proof", {}),
    ("math", None, {}),
    ("number", "cat", {}),
    ("number", None, {}),
    ("plain_number", "cat", {}),
    ("expression", None, {}),
    ("expression", None, {"numbers": [1], "target": "x"}),
    ("json_schema", None, {}),
    ("json_schema", None, {"schema": "{"}),
    ("json_schema", None, {"schema": {"type": "objekt"}}),
    ("json_schema", None, {"schema": {"type": "integer"}, "value": "a"}),
    ("instructions", None, {}),
    ("instructions", None, {"instructions": "words"}),
    ("instructions", None, {"instructions": [{"kind": "zzz"}]}),
    ("instructions", None, {"instructions": [{"kind": "words", "at_least": "many"}]}),
    ("code", None, {}),
    ("code", None, {"mode": "stdio", "cases": []}),
    ("code", None, {"mode": "function", "entry": "f", "cases": [{"input": "1", "expected": "2"}]}),
    ("code", None, {"mode": "function", "entry": "f", "cases": [{"input": "((1,), {})", "expected": "f(2)"}]}),
    ("reasoning_gym", None, {}),
]
WELL_FORMED: list[tuple[VerifierName, Any, dict[str, Any]]] = [
    ("choice", "B", {"options": ["x", "y"]}),
    ("text", "Paris", {"match": "contains"}),
    ("text", None, {"answers": ["Paris", "Paname"], "match": "fuzzy", "threshold": 80}),
    ("math", "x^2", {}),
    ("number", "1/2", {}),
    ("plain_number", "0.5", {}),
    ("expression", None, {"numbers": [1, 2], "target": 3}),
    ("json_schema", None, {"schema": {"type": "integer"}, "value": 3}),
    ("json_schema", None, {"schema": '{"type": "integer"}'}),
    ("instructions", None, {"instructions": [{"kind": "words", "at_least": 2}]}),
    ("code", None, {"mode": "stdio", "cases": [{"input": "1", "expected": "2"}]}),
    ("code", None, {"mode": "function", "entry": "f", "cases": [{"input": "([1], {})", "expected": "{2}"}]}),
    ("none", None, {}),
]


@pytest.mark.parametrize(("verifier", "answer", "data"), MALFORMED)
def test_a_malformed_problem_has_a_one_line_fault(verifier: VerifierName, answer: Any, data: dict[str, Any]) -> None:
    fault = problem_fault(Problem(id="p", task="t", text="?", verifier=verifier, answer=answer, data=data))
    assert fault
    assert "\n" not in fault
    assert "http" not in fault


@pytest.mark.parametrize(("verifier", "answer", "data"), WELL_FORMED)
def test_a_valid_problem_has_no_fault(verifier: VerifierName, answer: Any, data: dict[str, Any]) -> None:
    assert problem_fault(Problem(id="p", task="t", text="?", verifier=verifier, answer=answer, data=data)) is None
