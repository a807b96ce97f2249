"""Rows of code data sets as problems: HumanEval, MBPP, LiveCodeBench and programs that read standard input, known by their columns."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dunwu.config.mistakes import expected
from dunwu.config.tasks import CodeTask
from dunwu.errors import DataError
from dunwu.tasks import livecodebench
from dunwu.tasks.asserts import assert_tests, parse_module
from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests, ProgrammingLanguage
from dunwu.tasks.rows import Row

PUBLIC_ASSERTS = 1
"""Asserts of an MBPP problem in the prompt, which give the function and its arguments; a program could hard-code them if all were shown."""

LANGUAGES: dict[ProgrammingLanguage, str] = {"python": "Python 3", "cpp": "C++17"}


@dataclass(frozen=True, slots=True)
class CodeProblem:
    """A row as a problem: its prompt text, its tests, and the data set's solution if it has one."""

    id: str
    text: str
    tests: CodeTests
    difficulty: float | None = None
    solution: str | None = None


def code_problem(row: Row, config: CodeTask) -> CodeProblem | None:
    """The problem of a row; ``None`` if it has no tests. Raises DataError with the row if it is invalid."""
    for columns, read in FORMATS:
        if columns <= row.columns.keys():
            try:
                return read(row, config)
            except (ValidationError, SyntaxError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise DataError(f"{row.where}: {_first_line(error)}: correct the row or remove it") from error
    wanted = "; or ".join(", ".join(sorted(columns)) for columns, _ in FORMATS)
    raise DataError(f"{row.where}: columns {', '.join(map(str, row.columns)) or 'none'} match no known code data set: give {wanted}")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        found = error.errors()[0]
        return ": expected ".join(filter(None, [".".join(map(str, found["loc"])), expected(found["msg"])]))
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _humaneval(row: Row, config: CodeTask) -> CodeProblem:
    columns = row.columns
    prompt, entry = columns["prompt"], columns["entry_point"]
    tests = assert_tests(columns["test"], entry, prompt, limits(config))
    text = (
        "Complete the following Python function. Inside <answer> </answer> put the complete function, with the imports it needs, "
        f"in one fenced code block.\n```python\n{prompt.strip()}\n```"
    )
    return CodeProblem(_id(row), text, tests, solution=prompt + columns["canonical_solution"] if "canonical_solution" in columns else None)


def _mbpp(row: Row, config: CodeTask) -> CodeProblem:
    columns = row.columns
    code, asserts = columns["code"], list(columns["test_list"])
    setup = [*(columns.get("test_imports") or []), columns.get("test_setup_code") or ""]
    source = "\n".join([*filter(None, setup), *asserts])
    tests = assert_tests(source, _tested_function(source, code), "", limits(config), public=PUBLIC_ASSERTS)
    statement = columns.get("text") or columns["prompt"]
    shown = "\n".join(asserts[:PUBLIC_ASSERTS])
    text = (
        f"{statement.strip()} Inside <answer> </answer> put the Python program in one fenced code block. "
        f"It must pass tests like this one:\n```python\n{shown}\n```"
    )
    return CodeProblem(_id(row), text, tests, solution=code)


def _tested_function(tests: str, code: str) -> str:
    """The function of ``code`` that the tests call most."""
    defined = {node.name for node in parse_module(code).body if isinstance(node, ast.FunctionDef)}
    called = [node.func.id for node in ast.walk(parse_module(tests)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    counts = Counter(name for name in called if name in defined)
    if not counts:
        raise ValueError("the tests call no function of the solution")
    return counts.most_common(1)[0][0]


def _stdio(row: Row, config: CodeTask) -> CodeProblem | None:
    columns = row.columns
    public = _pairs(columns.get("public_tests"))
    hidden = [pair for key in ("private_tests", "generated_tests", "tests") for pair in _pairs(columns.get(key))]
    cases = [*(_case(pair, True) for pair in public), *(_case(pair, False) for pair in hidden)]
    if not cases:
        return None
    tests = CodeTests(
        mode="stdio",
        programming_language=config.programming_language,
        cases=tuple(cases[: config.max_cases]),
        checker=columns.get("checker"),
        checker_program=columns.get("checker_program"),
        tolerance=columns.get("float_tolerance"),
        limits=limits(config, columns),
    )
    statement = (columns.get("statement") or columns["description"]).strip()
    text = (
        f"{statement}\n\nWrite a {LANGUAGES[config.programming_language]} program that reads standard input and prints the answer. "
        f"Inside <answer> </answer> put the program in one fenced code block."
    )
    return CodeProblem(_id(row), text, tests, difficulty=float(columns["cf_rating"]) if columns.get("cf_rating") else None)


def _livecodebench(row: Row, config: CodeTask) -> CodeProblem | None:
    tests = livecodebench.tests(row.columns, limits(config), config.max_cases)
    if tests is None:
        return None
    name = str(row.columns.get("question_id") or row.number)
    return CodeProblem(name, livecodebench.statement(row.columns), tests, difficulty=livecodebench.level(row.columns))


def _pairs(tests: Any) -> list[tuple[str, str]]:
    """Pairs of input and output, from a list of objects or (CodeContests) an object with two lists."""
    if not tests:
        return []
    if isinstance(tests, Mapping):
        return list(zip(tests["input"], tests["output"], strict=True))
    return [(test["input"], test["output"]) for test in tests]


def _case(pair: tuple[str, str], public: bool) -> Case:
    return Case(input=pair[0], expected=pair[1], public=public)


def limits(config: CodeTask, columns: Mapping[str, Any] | None = None) -> CodeLimits:
    """The task's limits, or the problem's if they are higher (CodeContests' ``time_limit`` and ``memory_limit_bytes``)."""
    columns = columns or {}
    given = columns.get("time_limit") or {}
    seconds = (given.get("seconds") or 0) + (given.get("nanos") or 0) / 1e9 if isinstance(given, Mapping) else float(given)
    cpu = max(config.cpu_seconds, seconds)
    memory = max(config.memory_mib, (columns.get("memory_limit_bytes") or 0) // 2**20)
    return CodeLimits(cpu_seconds=cpu, wall_seconds=2 * cpu, memory_mib=memory, total_seconds=max(config.total_seconds, 2 * cpu))


def _id(row: Row) -> str:
    columns = row.columns
    name = columns.get("id") or columns.get("task_id") or columns.get("name") or row.number
    return str(name)


FORMATS: tuple[tuple[frozenset[str], Callable[[Row, CodeTask], CodeProblem | None]], ...] = (
    (frozenset({"prompt", "entry_point", "test"}), _humaneval),
    (frozenset({"code", "test_list"}), _mbpp),
    (frozenset({"statement", "tests"}), _stdio),
    (frozenset({"statement", "public_tests"}), _stdio),
    (frozenset({"description", "public_tests"}), _stdio),
    (livecodebench.COLUMNS, _livecodebench),
)
"""The columns that identify each format, and its reader."""
