"""Rows of LiveCodeBench."""

import base64
import json
import pickle
import zlib
from typing import Any

import pytest

from dunwu.config.tasks import CodeTask
from dunwu.errors import DataError
from dunwu.tasks.code_rows import code_problem
from dunwu.tasks.code_tests import CodeTests, read_literal
from dunwu.tasks.rows import Row

PUBLIC = [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]
HIDDEN = [{"input": "2 2\n", "output": "4\n", "testtype": "stdin"}]


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def row(**columns: Any) -> Row:
    base = {"question_id": "abc_a", "question_content": "Add.", "starter_code": "", "difficulty": "hard", "metadata": "{}"}
    return Row({**base, "public_test_cases": json.dumps(PUBLIC), **columns}, "lcb.jsonl", 1, "unnamed")


@pytest.mark.parametrize("hidden", [json.dumps(HIDDEN), packed(json.dumps(HIDDEN))])
def test_a_program(hidden: str) -> None:
    problem = code_problem(row(private_test_cases=hidden), CodeTask(path="x"))
    assert problem is not None
    assert (problem.id, problem.difficulty, problem.tests.mode) == ("abc_a", 3.0, "stdio")
    assert [(case.input, case.expected, case.public) for case in problem.tests.cases] == [("1 2\n", "3\n", True), ("2 2\n", "4\n", False)]


def test_a_function() -> None:
    cases = [{"input": '[1, 2]\n"a"', "output": "true", "testtype": "functional"}]
    starter = "class Solution:\n    def has(self, xs, s):"
    made = code_problem(row(public_test_cases=json.dumps(cases), metadata='{"func_name": "has"}', starter_code=starter), CodeTask(path="x"))
    assert made is not None
    assert starter in made.text
    assert (made.tests.mode, made.tests.entry) == ("function", "has")
    assert read_literal(made.tests.cases[0].input) == (([1, 2], "a"), {})
    assert read_literal(made.tests.cases[0].expected) is True
    assert CodeTests.from_data(made.tests.to_data()) == made.tests


class Runs:
    """A pickle that would run something."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit(3)",)


@pytest.mark.parametrize("hidden", [packed(Runs()), packed(["a", "b"]), packed(3), "no base64!", packed("{}")])
def test_anything_but_a_pickled_text_is_refused_and_nothing_runs(hidden: str) -> None:
    with pytest.raises(DataError, match=r"lcb\.jsonl, row 1"):
        code_problem(row(private_test_cases=hidden), CodeTask(path="x"))
