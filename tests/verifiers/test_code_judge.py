"""Order, limits and blame, with a sandbox of scripted outcomes."""

import json
from dataclasses import replace

import pytest

from dunwu.sandbox.outcome import Outcome
from dunwu.sandbox.values import decode_value
from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests
from dunwu.verifiers.code.compare import TEXT_CHECKERS, VALUE_CHECKERS
from dunwu.verifiers.code.judge import Judgement
from dunwu.verifiers.code.verify import judge, verdict_of


class Scripted:
    """Answers each input with a function and records its inputs."""

    def __init__(self, answer):
        self.answer, self.batches, self.programs = answer, [], []

    def run(self, program, inputs, limits, stop_at_failure=False):
        self.batches.append(list(inputs))
        self.programs.append(program)
        outcomes = []
        for given in inputs:
            outcomes.append(self.answer(program, given))
            if stop_at_failure and outcomes[-1].status != "ok":
                break
        return outcomes

    def close(self):
        pass


def outcome(stdout="", status="ok", wall=0.001, result=None):
    return Outcome(status, stdout, wall, wall, 1, "Traceback\nWhatError: why" if status != "ok" else "", result)


def echo(count, **options):
    """A problem of ``count`` cases that asks for its input."""
    return CodeTests(mode="stdio", cases=tuple(Case(input=f"{n}\n", expected=f"{n}\n") for n in range(count)), **options)


def test_a_right_program_needs_few_calls():
    sandbox = Scripted(lambda _program, given: outcome(given))
    judgement = judge("x", echo(100), sandbox)
    assert (judgement.status, judgement.passed, judgement.total, len(judgement.outcomes)) == ("ok", 100, 100, 100)
    assert [len(batch) for batch in sandbox.batches] == [1, 4, 16, 64, 15]


def test_the_first_wrong_case_ends_the_run():
    sandbox = Scripted(lambda _program, given: outcome("0\n"))
    judgement = judge("x", echo(100), sandbox)
    assert (judgement.status, judgement.passed, len(judgement.outcomes)) == ("wrong_answer", 1, 2)
    assert [len(batch) for batch in sandbox.batches] == [1, 4]


def test_expected_values_never_enter_the_sandbox():
    sandbox = Scripted(lambda _program, given: outcome(given))
    tests = CodeTests(mode="stdio", cases=(Case(input="question", expected="SECRET"),))
    judge("x", tests, sandbox)
    function = CodeTests(mode="function", entry="f", cases=(Case(input="((1,), {})", expected="'SECRET'"),))
    judge("x", function, sandbox)
    assert "SECRET" not in repr((sandbox.batches, sandbox.programs))


def test_every_case_gives_the_share():
    sandbox = Scripted(lambda _program, given: outcome(given if int(given) % 2 else "no"))
    judgement = judge("x", echo(10), sandbox, every_case=True)
    assert (judgement.status, judgement.share) == ("wrong_answer", 0.5)
    assert verdict_of(judgement, partial=True).score == 0.5
    assert verdict_of(judgement).score == 0.0


def test_a_case_that_raises_is_one_case_but_an_exhausted_limit_is_the_end():
    raising = Scripted(lambda _program, given: outcome(given, "ok" if int(given) else "runtime_error"))
    assert judge("x", echo(5), raising, every_case=True).passed == 4
    sleeping = Scripted(lambda _program, given: outcome(given, "ok" if given != "1\n" else "time_limit"))
    judgement = judge("x", echo(5), sleeping, every_case=True)
    assert (judgement.status, judgement.passed, judgement.total) == ("time_limit", 1, 5)


@pytest.mark.parametrize(
    ("status", "score", "reason"),
    [
        ("ok", 1.0, "correct"),
        ("wrong_answer", 0.0, "wrong"),
        ("runtime_error", 0.0, "wrong"),
        ("time_limit", 0.0, "wrong"),
        ("memory_limit", 0.0, "wrong"),
        ("output_limit", 0.0, "wrong"),
        ("compile_error", 0.0, "unparsable"),
        ("sandbox_error", None, "error"),
    ],
)
def test_only_a_failed_sandbox_gives_no_score(status, score, reason):
    judgement = judge("x", echo(1), Scripted(lambda _program, given: outcome(given, status)))
    verdict = verdict_of(judgement)
    assert (verdict.score, verdict.reason) == (score, reason)
    if status not in ("ok", "wrong_answer"):
        assert verdict.detail == f"{status}: WhatError: why"


def test_a_sandbox_that_fails_midway_gives_no_score_even_with_partial_credit():
    sandbox = Scripted(lambda _program, given: outcome(given, "sandbox_error" if given == "3\n" else "ok"))
    assert verdict_of(judge("x", echo(9), sandbox, every_case=True), partial=True).score is None


def test_all_cases_together_have_a_time_limit(monkeypatch):
    clock = [0.0]

    def slow(_program, given):
        clock[0] += 2.0
        return outcome(given, wall=2.0)

    monkeypatch.setattr("dunwu.verifiers.code.judge.time.monotonic", lambda: clock[0])
    sandbox = Scripted(slow)
    judgement = judge("x", echo(100, limits=CodeLimits(total_seconds=9)), sandbox)
    assert judgement.status == "time_limit"
    assert judgement.seconds <= 10
    assert len(sandbox.batches[-1]) == 1


def test_a_lone_surrogate_is_the_programs_fault():
    sandbox = Scripted(lambda *_: pytest.fail("nothing is run"))
    assert judge("x = '\ud800'", echo(1), sandbox).status == "compile_error"


def test_arguments_keep_their_types():
    def answer(program, given):
        call = json.loads(given)
        return outcome(result=[program.entry, *map(decode_value, call["args"]), decode_value(call["kwargs"]["k"])])

    case = Case(input="(((1, 2), {3}), {'k': {4: 5.0}})", expected="['f', (1, 2), {3}, {4: 5.0}]")
    assert judge("x", CodeTests(mode="function", entry="f", cases=(case,)), Scripted(answer)).status == "ok"


def test_a_problems_checker_and_a_cases_own():
    cases = (Case(input="1", expected="YES"), Case(input="2", expected="['a', 'b']", checker="any_of"))
    said = {"1": "yes", "2": "b"}
    tests = CodeTests(mode="stdio", cases=cases, checker="caseless")
    assert judge("x", tests, Scripted(lambda _program, given: outcome(said[given]))).status == "ok"


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (outcome(result=True), "ok"),
        (outcome(result=1), "wrong_answer"),
        (outcome(result=False), "wrong_answer"),
        (outcome(status="runtime_error"), "wrong_answer"),
        (outcome(status="time_limit"), "wrong_answer"),
        (outcome(status="sandbox_error"), "sandbox_error"),
    ],
)
def test_a_checker_program_runs_on_its_own(found, status):
    def answer(program, given):
        if program.entry is None:
            return outcome("said")
        assert program.source == "checker"
        assert list(map(decode_value, json.loads(given)["args"])) == ["0\n", "0\n", "said"]
        return found

    assert judge("x", echo(1, checker_program="checker"), Scripted(answer)).status == status


def test_forgeable_tests_need_their_token():
    tests = CodeTests(mode="assert", entry="f", tests="assert f(Pair(1))", forgeable=True)

    def honest(program, _given):
        assert "assert f(Pair(1))" in program.source
        return outcome(program.source.rpartition("print('")[2].partition("'")[0] + "\n")

    assert judge("def f(p): return p", tests, Scripted(honest)).status == "ok"
    assert judge("raise SystemExit", tests, Scripted(lambda *_: outcome(""))).status == "wrong_answer"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "stdio"}, "passes every program"),
        ({"mode": "function", "entry": "f"}, "passes every program"),
        ({"mode": "assert", "entry": "f", "tests": "f(1)"}, "without an assert"),
        ({"mode": "function", "cases": [{"input": "((), {})", "expected": "1"}]}, "name the function"),
        ({"mode": "stdio", "checker": "equal", "cases": [{"input": "", "expected": ""}]}, "'equal' is not for mode stdio"),
        ({"mode": "stdio", "checker": "magic", "cases": [{"input": "", "expected": ""}]}, "checker"),
        (
            {"mode": "function", "entry": "f", "programming_language": "cpp", "cases": [{"input": "((), {})", "expected": "1"}]},
            "Python only",
        ),
        ({"mode": "stdio", "cases": [{"input": "", "expected": ""}], "forgeable": True}, "only assert tests"),
        ({"mode": "stdio", "cases": [{"input": "", "expected": "", "tolerance": -1}]}, "tolerance"),
    ],
)
def test_malformed_problems_are_rejected(fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        CodeTests.from_data(fields)
    assert "\n" not in str(caught.value)


def test_data_survives_json():
    tests = echo(2, tolerance=0.5, preamble="x", limits=CodeLimits(cpu_seconds=9))
    assert CodeTests.from_data(json.loads(json.dumps(tests.to_data()))) == tests


def test_every_checker_that_data_may_name_exists():
    names = CodeTests.model_json_schema()["properties"]["checker"]["anyOf"]
    assert {name for part in names for name in part.get("enum", ())} == TEXT_CHECKERS.keys() | VALUE_CHECKERS.keys()


def test_judgements_keep_no_output():
    judgement = judge("x", echo(1), Scripted(lambda _program, given: outcome(given)))
    assert judgement.outcomes == (replace(outcome(""), stdout=""),)
    assert Judgement("ok", 1, 2, 0.0).share == 0.5
