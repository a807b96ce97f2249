import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.process.attempt import attempt
from dunwu.types import Problem
from dunwu.verifiers.verify import verify

EXPRESSION = Problem(id="e", task="countdown", text="", verifier="expression", data={"numbers": [3, 8], "target": 24})
NUMBER = Problem(id="n", task="gsm8k", text="", verifier="number", answer="24")
PLAIN = Problem(id="a", task="arithmetic", text="3 * 8", verifier="plain_number", answer="24")


def test_each_problem_uses_its_verifier():
    assert verify(EXPRESSION, "3 * 8").score == 1.0
    assert verify(NUMBER, "3 * 8").score == 1.0
    assert verify(PLAIN, "3 * 8").score == 0.0
    assert verify(PLAIN, "24").score == 1.0
    assert verify(EXPRESSION, "24").score == 0.0
    assert verify(NUMBER, "24").score == 1.0


@pytest.mark.parametrize("problem", [EXPRESSION, NUMBER])
def test_no_answer_is_unparsable(problem):
    verdict = verify(problem, None)
    assert (verdict.score, verdict.reason) == (0.0, "unparsable")


@pytest.mark.parametrize("answer", [None, "24"])
def test_without_a_verifier_nothing_is_verified_and_nothing_has_failed(answer):
    verdict = verify(Problem(id="c", task="chat", text="", verifier="none"), answer)
    assert (verdict.score, verdict.reason) == (None, "unverified")


@given(st.text())
def test_no_answer_text_raises(answer):
    for problem in (EXPRESSION, NUMBER, PLAIN):
        assert verify(problem, answer).score in (0.0, 1.0)


def test_a_malformed_problem_raises():
    with pytest.raises(KeyError):
        verify(Problem(id="e", task="countdown", text="", verifier="expression"), "1")


def test_attempt_reports_exceptions_and_exits_and_lets_interrupts_pass():
    assert attempt(lambda: "fine", str) == "fine"
    assert attempt(lambda: str(int("x")), lambda message: message[:11]) == "ValueError:"
    assert attempt(lambda: sys.exit(3), str) == "SystemExit: 3"

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(interrupt, lambda message: pytest.fail(message))


def test_verifiers_and_rewards_are_light():
    code = (
        "import sys, dunwu.verifiers.verify, dunwu.rewards.pool, dunwu.rewards.worker, dunwu.rewards.rules;"
        "print(sorted({'torch', 'transformers', 'numpy', 'reasoning_gym', 'sympy', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"
