"""Programs as answers: right if every test passes (DeepSeek-R1, arXiv 2501.12948, section 2.2.2)."""

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
    """1 if the program in ``answer`` passes all tests, else 0; with ``partial`` the share of cases that pass.

    A program that exceeds its limits is wrong. If the sandbox or the test itself fails, there is no score. Raises `ValueError` if the
    problem is malformed.
    """
    tests = CodeTests.from_data(problem.data)
    program = extract_program(answer, tests)
    if program is None:
        return Verdict(0.0, "unparsable", "no program")
    return verdict_of(judge(program, tests, shared_sandbox(), every_case=partial), partial)


def verdict_of(judgement: Judgement, partial: bool = False) -> Verdict:
    """The verdict of a judgement; its detail begins with the status."""
    detail = ": ".join(filter(None, (judgement.status, judgement.detail)))
    if judgement.status == "ok":
        return Verdict(1.0, "correct")
    if judgement.status == "sandbox_error":
        return Verdict(None, "error", detail)
    score = judgement.share if partial else 0.0
    return Verdict(score, "unparsable" if judgement.status == "compile_error" else "wrong", detail)


def judge(source: str, tests: CodeTests, sandbox: Sandbox, every_case: bool = False) -> Judgement:
    """Run ``source`` against ``tests``; never raises because of ``source``. ``every_case`` continues after a failure."""
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
    """Run the program and then its tests in one process that prints a random token at the end.

    This catches a program that exits early or prints what a pass usually prints. It does not stop one that looks for the token or the
    expected values in its own process (frames, source, memory) or replaces what the tests use: for evaluation, never for rewards.
    """
    started, token = time.monotonic(), secrets.token_hex(16)
    script = f"{with_prelude(source)}\n\n{tests.tests}\nprint({token!r})\n"
    outcome = sandbox.run(Program(script), [""], limits_of(tests.limits))[0]
    judgement = conclude([outcome], 1, started)
    if judgement.status == "ok" and not outcome.stdout.endswith(f"{token}\n"):
        return Judgement("wrong_answer", 0, 1, judgement.seconds, "it exited before its tests ended", (outcome,))
    return judgement
