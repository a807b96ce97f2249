"""Programs as answers: right when every test passes (DeepSeek-R1, arXiv 2501.12948, section 2.2.2)."""

from __future__ import annotations

import secrets
import time

from dunwu.sandbox.open import shared_sandbox
from dunwu.sandbox.outcome import Program, Sandbox
from dunwu.tasks.code_tests import CodeTests
from dunwu.types import Problem, Verdict
from dunwu.verifiers.code.extract import extract_program
from dunwu.verifiers.code.judge import Judgement, conclude, judge_cases, limits_of
from dunwu.verifiers.code.prelude import with_prelude
from dunwu.verifiers.code.replay import judge_apart


def verify_code(problem: Problem, answer: str, partial: bool = False) -> Verdict:
    """1 when the program in ``answer`` passes all tests, else 0; with ``partial`` the share of the cases that pass.

    A program that exhausts its limits is wrong. Where the sandbox or the test itself failed there is no score. Raises `ValueError` for
    a malformed problem.
    """
    tests = CodeTests.from_data(problem.data)
    program = extract_program(answer, tests)
    if program is None:
        return Verdict(0.0, "unparsable", "no program")
    return verdict_of(judge(program, tests, shared_sandbox(), every_case=partial), partial)


def verdict_of(judgement: Judgement, partial: bool = False) -> Verdict:
    """As a verdict; its detail begins with the status."""
    detail = ": ".join(filter(None, (judgement.status, judgement.detail)))
    if judgement.status == "ok":
        return Verdict(1.0, "correct")
    if judgement.status == "sandbox_error":
        return Verdict(None, "error", detail)
    score = judgement.share if partial else 0.0
    return Verdict(score, "unparsable" if judgement.status == "compile_error" else "wrong", detail)


def judge(source: str, tests: CodeTests, sandbox: Sandbox, every_case: bool = False) -> Judgement:
    """Run ``source`` against ``tests``, whatever it does. ``every_case`` goes on after a failure."""
    if not _is_text(source):
        return Judgement("compile_error", 0, max(1, len(tests.cases)), 0.0, "not UTF-8 text")
    if tests.mode != "assert":
        return judge_cases(source, tests, sandbox, every_case)
    return _judge_beside(source, tests, sandbox) if tests.forgeable else judge_apart(source, tests, sandbox)


def _is_text(source: str) -> bool:
    try:
        source.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _judge_beside(source: str, tests: CodeTests, sandbox: Sandbox) -> Judgement:
    """The tests after the program, in one process, and a random token printed at the end.

    It stops a program that leaves early or prints what a pass usually prints. It does not stop one that looks for the token or the
    expected values in its own process (frames, source, memory) or replaces what the tests use: for evaluation, never for rewards.
    """
    started, token = time.monotonic(), secrets.token_hex(16)
    script = f"{with_prelude(source)}\n\n{tests.tests}\nprint({token!r})\n"
    outcome = sandbox.run(Program(script), [""], limits_of(tests.limits))[0]
    judgement = conclude([outcome], 1, started)
    if judgement.status == "ok" and not outcome.stdout.endswith(f"{token}\n"):
        return Judgement("wrong_answer", 0, 1, judgement.seconds, "it ended before its tests", (outcome,))
    return judgement
