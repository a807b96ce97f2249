"""Assert tests that are not plain cases: the test runs in one process, the program in another.

The test calls a stand-in for the program. If the stand-in has no value yet, the test ends and reports the call; the program
runs on that call; the test restarts with the values known so far, until it finishes. Only the arguments of calls reach the
program, so it has nothing to forge. `random` is seeded before each start, since a test must make the same calls each time.

Not supported: a program that changes its arguments in place or is meant to raise (both count as wrong answers), and
arguments that are not plain data, such as functions or types (an error of the problem).
"""

from __future__ import annotations

import ast
import math
import time
from dataclasses import replace
from functools import lru_cache
from typing import Any

from dunwu.sandbox.outcome import Outcome, Program, Sandbox
from dunwu.tasks.asserts import parse_module
from dunwu.tasks.code_tests import CodeTests
from dunwu.verifiers.code.judge import Judgement, call_input, conclude, limits_of, out_of_time, outcomes_of
from dunwu.verifiers.code.prelude import with_prelude

MAX_CALLS = 500
"""Per test; more is an error of the problem."""

_HARNESS = """
def {replay}(calls):
    import copy, random

    class Call(BaseException):
        pass

    def plain(value):
        if type(value) in (list, tuple, set, frozenset):
            return all(map(plain, value))
        if type(value) is dict:
            return all(plain(key) and plain(value[key]) for key in value)
        return value is None or type(value) in (bool, int, float, str)

    used, wanted = 0, []

    def program(*args, **kwargs):
        nonlocal used
        if wanted or used == len(calls) or [list(args), kwargs] != calls[used][:2]:
            wanted.append([list(args), kwargs])
            raise Call
        used += 1
        return copy.deepcopy(calls[used - 1][2])

    random.seed(0)
    try:
        {run}(program)
    except BaseException:
        if not wanted:
            raise
    if wanted:
        return ["call", used, wanted[0]] if plain(wanted[0]) else ["no data", used, None]
    return ["passed", used, None]
"""


def judge_apart(source: str, tests: CodeTests, sandbox: Sandbox) -> Judgement:
    """Run the tests on values that ``source`` computes, until they pass or fail. ``total`` is 1: the test as a whole."""
    started = time.monotonic()
    program, limits = Program(with_prelude(source), "python", tests.entry), limits_of(tests.limits)
    test = harnessed(tests)
    plan = planned_calls(tests)
    calls: list[list[Any]] = []
    known = outcomes_of(program, [call_input(*call) for call in plan], tests.limits, sandbox, started)
    for call, outcome in zip(plan, known, strict=False):
        if _refuse_nan(outcome).status != "ok":
            break  # the test may not make this call at all
        calls.append([*call, outcome.result])
    while True:
        found = sandbox.run(test, [call_input([calls])], limits)[0]
        if found.status != "ok":
            failed = found.status in ("sandbox_error", "compile_error") or not calls  # no value of the program can be the cause
            return conclude([replace(found, status="sandbox_error" if failed else "wrong_answer", stdout="")], 1, started)
        state, used, wanted = found.result
        if state == "passed":
            plan[:] = [call[:2] for call in calls[:used]]
            return conclude([found], 1, started)
        if state == "no data" or used >= MAX_CALLS:
            reason = "an argument is not plain data" if state == "no data" else f"the test makes more than {MAX_CALLS} calls"
            return conclude([replace(found, status="sandbox_error", stderr=reason)], 1, started)
        if time.monotonic() - started > tests.limits.total_seconds:
            return conclude([out_of_time(tests.limits)], 1, started)
        outcome = _refuse_nan(sandbox.run(program, [call_input(*wanted)], limits)[0])
        if outcome.status != "ok":
            return conclude([outcome], 1, started)
        calls[used:] = [[*wanted, outcome.result]]


def _refuse_nan(outcome: Outcome) -> Outcome:
    """NaN makes every comparison false, so ``assert not f(x) > 1`` would pass."""
    refused = outcome.status == "ok" and _has_nan(outcome.result)
    return replace(outcome, status="wrong_answer", stderr="not a number") if refused else outcome


def _has_nan(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nan(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_nan, value))
    return isinstance(value, float) and math.isnan(value)


@lru_cache(maxsize=2048)
def planned_calls(_tests: CodeTests) -> list[list[Any]]:
    """The calls ``[args, kwargs]`` that the test made to the last program that passed, to run in one batch. The caller updates the list.

    It saves time only: a call that the test does not make is dropped.
    """
    return []


@lru_cache(maxsize=2048)
def harnessed(tests: CodeTests) -> Program:
    """The test as a function of the program, after its imports, with the stand-in."""
    tree = parse_module(tests.tests)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert tests.entry is not None
    names = {"run": "_dunwu_run", "replay": "_dunwu_replay"}
    run = ast.FunctionDef(
        name=names["run"],
        args=ast.arguments(posonlyargs=[], args=[ast.arg(arg=tests.entry)], kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=[node for node in tree.body if node not in imports],
        decorator_list=[],
    )
    body = ast.unparse(ast.fix_missing_locations(ast.Module(body=[*imports, run], type_ignores=[])))
    return Program(f"{tests.preamble}\n{body}\n{_HARNESS.format(**names)}", "python", names["replay"])
