"""Does the code verifier tell right from nearly right?  ``python -m benchmarks.mutants``, with ``DUNWU_DATA`` naming the data's folder.

Every reference solution of HumanEval and MBPP must pass; then one character of it is changed (an operator, a comparison or the digit of a
constant), which should fail. Some mutants are equivalent to their original or right on the data set's few tests, so the share that fails
says more about the tests than about the verifier; which ones live is in the JSON, to be looked at.
"""

from __future__ import annotations

import ast
import io
import platform
import time
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.results import Options, Result, Row, chosen, finish, parse, result, table
from dunwu.config.tasks import CodeTask
from dunwu.tasks.code import Code
from dunwu.types import Problem
from dunwu.verifiers.code.verify import verify_code

DATASETS = ("humaneval", "mbpp", "mbpp_sanitized")
CHANGES = {"+": "-", "-": "+", "*": "+", "/": "*", "%": "*", "<": ">", ">": "<", "=": "!"}
"""One character for another; of ``==``, ``<=`` and ``>=`` the first, of ``//`` and ``**`` none."""
CHANGED_WHOLE = ("+", "-", "*", "/", "%", "<", ">", "==", "<=", ">=", "+=", "-=", "*=")


def mutants(source: str) -> Iterator[str]:
    """All sources with one character changed that still parse, into another tree."""
    lines = source.splitlines(keepends=True)
    original = _tree(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        if token.type == tokenize.OP and token.string in CHANGED_WHOLE:
            place, new = column, CHANGES[token.string[0]]
        elif token.type == tokenize.NUMBER and token.string[-1].isdigit():
            place, new = token.end[1] - 1, str((int(token.string[-1]) + 1) % 10)
        else:
            continue
        line = lines[row - 1]
        changed = "".join([*lines[: row - 1], line[:place] + new + line[place + 1 :], *lines[row:]])
        if _tree(changed) not in (None, original):
            yield changed


def _tree(source: str) -> str | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError):
        return None


def mutant(problem: Problem, solution: str) -> str | None:
    """One of the mutants, the same each time; ``None`` where nothing can be changed."""
    found = list(mutants(solution))
    return Random(f"mutant-{problem.id}").choice(found) if found else None


def problems_of(task: Code) -> list[Problem]:
    """All that have a solution, of all splits."""
    held_out = [problem for members in task.problems.values() for problem in members]
    return [problem for problem in held_out if problem.id in task.solutions]


def measure_dataset(dataset: str) -> Row:
    """References and one mutant each, one after another."""
    task = Code(CodeTask.model_validate({"dataset": dataset}))
    failed: dict[str, str] = {}
    lived: list[str] = []
    excluded: dict[str, str] = {}
    graded, started = 0, time.monotonic()
    for problem in problems_of(task):
        solution = task.solutions[problem.id]
        verdict = verify_code(problem, fenced(solution))
        if verdict.score != 1.0:
            failed[problem.id] = verdict.detail
            continue
        changed = mutant(problem, solution)
        if changed is None:
            continue
        graded += 1
        verdict = verify_code(problem, fenced(changed))
        if verdict.score is None:
            excluded[problem.id] = verdict.detail
        elif verdict.score == 1.0:
            lived.append(problem.id)
    references = len(problems_of(task))
    return {
        "dataset": dataset,
        "references": references,
        "references_passed": references - len(failed),
        "failed": failed,
        "mutants": graded,
        "mutants_failed": graded - len(lived) - len(excluded),
        "share": (graded - len(lived) - len(excluded)) / graded,
        "lived": lived,
        "excluded": excluded,
        "forgeable": task.forgeable,
        "seconds": time.monotonic() - started,
    }


def fenced(program: str) -> str:
    """As a model answers."""
    return f"```python\n{program.rstrip()}\n```"


def measure(options: Options) -> Result:
    """One row for each data set."""
    return result(
        "mutants",
        options,
        {"python": platform.python_version()},
        {},
        [measure_dataset(name) for name in chosen(DATASETS, options, DATASETS)],
    )


def as_table(found: Result) -> str:
    """The counts."""
    names = ("dataset", "references", "references_passed", "mutants", "mutants_failed", "share", "forgeable", "seconds")
    head = ("data set", "references", "pass", "mutants", "fail", "share", "forgeable", "seconds")
    return table(head, [[row[name] for name in names] for row in found["rows"]])


def main(argv: Sequence[str] | None = None) -> Result:
    """The command line."""
    options = parse(__doc__, argv)
    found = measure(options)
    return finish(found, as_table(found), options)


if __name__ == "__main__":
    main()
