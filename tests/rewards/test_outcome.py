import math

import pytest

from dunwu.rewards.outcome import compute, decode, encode, failed
from dunwu.rewards.rules import rule_reward
from dunwu.types import Problem, Reward, Verdict

PROBLEM = Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": [3, 8], "target": 24})
GOOD = Reward(1.1, {"accuracy": 1.0, "format": 0.1}, Verdict(1.0, "correct", "fine \ud800 ²"))
GARBAGE = [
    *[None, 1.0, "reward", Verdict(1.0, "correct")],
    Reward(math.nan, {}, Verdict(1.0, "correct")),
    Reward(math.inf, {}, Verdict(1.0, "correct")),
    Reward(1.0, {"accuracy": math.nan}, Verdict(1.0, "correct")),
    Reward(1.0, {"accuracy": "1"}, Verdict(1.0, "correct")),
    Reward(1.0, {}, None),
    Reward(1.0, None, Verdict(1.0, "correct")),
    Reward(1.0, {}, Verdict(1.0, "splendid")),
]


def test_a_good_reward_passes_unchanged():
    assert compute(lambda problem, text: GOOD, PROBLEM, "") is GOOD
    assert compute(rule_reward(), PROBLEM, "<answer>3 * 8</answer>").total == 1.0


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_an_error(garbage):
    reward = compute(lambda problem, text: garbage, PROBLEM, "")
    assert (reward.total, reward.verdict.score, reward.verdict.reason) == (None, None, "error")


def test_an_exception_is_an_error_with_the_announced_parts():
    broken = Problem(id="p", task="countdown", text="", verifier="expression")
    reward = compute(rule_reward(), broken, "<answer>3 * 8</answer>")
    assert reward == failed(("accuracy", "format"), "error", "KeyError: 'numbers'")
    assert reward.parts == {"accuracy": None, "format": None}


def test_the_wire_keeps_rewards_exactly():
    rewards = [GOOD, failed(("accuracy",), "timeout", "slow"), Reward(0.1 + 0.2, {}, Verdict(0.0, "wrong"))]
    assert decode(encode(rewards)) == rewards


@pytest.mark.parametrize(
    "message", [b"", b"{", b"\xff\xfe", b"1", b"null", b"[1]", b"[[]]", b'["abcde"]', b'[[NaN, {}, 1, "correct", ""]]', b"[" * 100_000]
)
def test_anything_else_on_the_wire_is_a_value_error(message):
    with pytest.raises(ValueError, match=r"."):
        decode(message)
