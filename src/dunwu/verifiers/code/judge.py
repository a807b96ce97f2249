"""Run a program against its tests: cases run in the sandbox, outputs are compared outside. Expected values never enter the sandbox.

The first failing case ends the run, since the paper's reward requires all of them. A sandbox failure is never the program's fault.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dunwu.sandbox.outcome import Limits, Outcome, Program, Sandbox, Status
from dunwu.sandbox.values import encode_value
from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests, read_literal
from dunwu.verifiers.code.compare import TEXT_CHECKERS, TRUTH, VALUE_CHECKERS
from dunwu.verifiers.code.prelude import with_prelude

EXHAUSTED = frozenset({"time_limit", "memory_limit", "output_limit", "compile_error", "sandbox_error"})
"""No further case runs after these, even if every case counts: they are expensive, or will not change."""
GROWTH = 4
"""Each batch of cases is this much larger than the last: a wrong program costs few runs, a right one few calls."""


_TRUTH = """
def _dunwu_truth(*args, **kwargs):
    return bool((globals().get("{entry}") or getattr(Solution(), "{entry}"))(*args, **kwargs))
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``status`` is ``ok`` if all cases passed, else that of the first that did not. ``outcomes`` holds the cases that ran,
    without what they printed and returned."""

    status: Status
    passed: int
    total: int
    seconds: float
    detail: str = ""
    outcomes: tuple[Outcome, ...] = ()

    @property
    def share(self) -> float:
        """The share of cases that passed."""
        return self.passed / self.total


def limits_of(limits: CodeLimits) -> Limits:
    """The sandbox's limits for one case."""
    return Limits(
        cpu_seconds=limits.cpu_seconds, wall_seconds=limits.wall_seconds, memory_mib=limits.memory_mib, output_kib=limits.output_kib
    )


def call_input(args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> str:
    """The arguments of a function call, encoded for the sandbox."""
    named = {key: encode_value(value) for key, value in (kwargs or {}).items()}
    return json.dumps({"args": [encode_value(arg) for arg in args], "kwargs": named})


def judge_cases(source: str, tests: CodeTests, sandbox: Sandbox, every_case: bool = False) -> Judgement:
    """Run ``source`` on the cases; ``every_case`` continues after a failure, for the share of cases that pass."""
    function = tests.mode == "function"
    program = truth_of(source, tests) if function else Program(source, tests.programming_language)
    grade = value_grader(tests) if function else text_grader(tests, sandbox)
    inputs = [call_input(*read_literal(case.input)) if function else case.input for case in tests.cases]
    started = time.monotonic()
    graded: list[Outcome] = []
    for case, outcome in zip(tests.cases, outcomes_of(program, inputs, tests.limits, sandbox, started), strict=False):
        graded.append(replace(grade(case, outcome), stdout="", result=None))
        status = graded[-1].status
        if status in EXHAUSTED or (status != "ok" and not every_case):
            break
    return conclude(graded, len(inputs), started)


def outcomes_of(program: Program, inputs: Sequence[str], limits: CodeLimits, sandbox: Sandbox, started: float) -> Iterator[Outcome]:
    """Yield the outcomes of ``inputs``, run in growing batches on demand, until the total time since ``started`` is spent."""
    done, size, slowest = 0, 1, 1e-3
    while done < len(inputs):
        left = limits.total_seconds - (time.monotonic() - started)
        if left <= 0:
            yield out_of_time(limits)
            return
        batch = inputs[done : done + min(size, max(1, int(left / slowest)))]
        wall = min(limits.wall_seconds, left)
        outcomes = sandbox.run(program, batch, replace(limits_of(limits), wall_seconds=wall), stop_at_failure=True)
        assert outcomes, "the sandbox gave no outcome"
        yield from outcomes
        done, size = done + len(outcomes), size * GROWTH
        slowest = max(slowest, *(outcome.wall for outcome in outcomes))


def out_of_time(limits: CodeLimits) -> Outcome:
    """The outcome if the cases together took too long."""
    return Outcome("time_limit", "", 0.0, 0.0, 0, f"more than {limits.total_seconds:g} s for all cases")


def truth_of(source: str, tests: CodeTests) -> Program:
    """The function after the usual imports; if the cases need only truth, the truth of what it returns, whatever its type."""
    source = with_prelude(source)
    if not all((case.checker or tests.checker) in TRUTH for case in tests.cases):
        return Program(source, "python", tests.entry)
    return Program(f"{source}\n\n{_TRUTH.format(entry=tests.entry)}", "python", "_dunwu_truth")


def conclude(graded: Sequence[Outcome], total: int, started: float) -> Judgement:
    """Combine outcomes into a judgement."""
    passed = sum(outcome.status == "ok" for outcome in graded)
    failure = next((outcome for outcome in graded if outcome.status == "sandbox_error"), None) or next(
        (outcome for outcome in graded if outcome.status != "ok"), None
    )
    seconds = time.monotonic() - started
    if failure is None:
        return Judgement("ok", passed, total, seconds, outcomes=tuple(graded))
    return Judgement(failure.status, passed, total, seconds, last_line(failure.stderr), tuple(graded))


def last_line(text: str) -> str:
    """The last line of an error output, cut to 200 characters: the end of a traceback names the error."""
    lines = text.strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""


Grader = Callable[[Case, Outcome], Outcome]
"""Turns ``ok`` into ``wrong_answer`` if the output is not what was expected."""


def value_grader(tests: CodeTests) -> Grader:
    """Compare returned values."""

    def grade(case: Case, outcome: Outcome) -> Outcome:
        if outcome.status != "ok":
            return outcome
        check = VALUE_CHECKERS[case.checker or tests.checker or "lists"]
        tolerance = tests.tolerance if case.tolerance is None else case.tolerance
        right = check(read_literal(case.expected), outcome.result, tolerance)
        return outcome if right else replace(outcome, status="wrong_answer")

    return grade


def text_grader(tests: CodeTests, sandbox: Sandbox) -> Grader:
    """Compare printed text, with a named checker or the data set's own checker program."""

    def grade(case: Case, outcome: Outcome) -> Outcome:
        if outcome.status != "ok":
            return outcome
        if tests.checker_program is not None:
            return checked_by_program(tests.checker_program, case, outcome, sandbox, limits_of(tests.limits))
        check = TEXT_CHECKERS[case.checker or tests.checker or "tokens"]
        tolerance = tests.tolerance if case.tolerance is None else case.tolerance
        return outcome if check(case.expected, outcome.stdout, tolerance) else replace(outcome, status="wrong_answer")

    return grade


def checked_by_program(checker: str, case: Case, outcome: Outcome, sandbox: Sandbox, limits: Limits) -> Outcome:
    """Call ``check(input, expected, output)``, which runs as a separate program after the judged one has ended.

    Only ``True`` accepts. A checker that raises or exceeds a limit rejects the output, since hostile output can make it do so.
    """
    given = call_input((case.input, case.expected, outcome.stdout))
    found = sandbox.run(Program(checker, "python", "check"), [given], limits)[0]
    if found.status == "ok" and found.result is True:
        return outcome
    if found.status == "sandbox_error":
        return found
    detail = "" if found.status == "ok" else f"the checker: {found.status} {last_line(found.stderr)}"
    return replace(outcome, status="wrong_answer", stderr=detail)
