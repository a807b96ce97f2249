"""Mistakes that others in this field have made with rewards, each made again on purpose: the test fails where the mistake is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

from dunwu.rewards.compose import ComposedReward, Part
from dunwu.rewards.outcome import compute
from dunwu.rewards.own import OwnFunction
from dunwu.rewards.rules import rule_reward
from dunwu.rewards.scope import Whole
from dunwu.types import Problem, VerifierName

SURD = Problem("p", "t", "", "math", answer=r"\sqrt{12}")
SYMBOLIC = Problem("p", "t", "", "math", answer=r"\sin^2(x) + \cos^2(x)")


def rewarded(problem: Problem, answer: str) -> float | None:
    return compute(rule_reward(), problem, f"<think>so</think><answer>{answer}</answer>").parts["accuracy"]


def test_a_verifier_works_outside_the_main_thread() -> None:
    """verl #5635: its library raises there, and every answer scored 0."""
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda answer: rewarded(SURD, answer), [r"2\sqrt{3}", r"\sqrt{12}", r"3\sqrt{2}"]))
        assert found == [1.0, 1.0, 0.0]
        assert threads.submit(rewarded, SYMBOLIC, "1").result() == 1.0


@pytest.mark.parametrize("verifier", ["math", "number"])
@pytest.mark.parametrize("answer", ["7", "", "no idea", r"\frac{1}{2}", "?"])
def test_a_gold_that_cannot_be_parsed_rewards_nothing(verifier: VerifierName, answer: str) -> None:
    """open-r1 #293: such a row gave reward 1 to every answer."""
    assert rewarded(Problem("p", "t", "", verifier, answer=r"\frac{1}{"), answer) in (None, 0.0)


def test_a_prefilled_think_tag_is_part_of_the_form() -> None:
    """TRL #6966: the format reward looked at the completion alone and was always 0."""
    completion = "so</think><answer>7</answer>"
    assert rule_reward()(SURD, "<think>" + completion).parts["format"] == 1.0
    assert rule_reward()(SURD, completion).parts["format"] == 0.0


def test_a_wrong_number_of_rewards_is_not_spread(tmp_path: Path) -> None:
    """TRL #6533: one number for many completions was broadcast."""
    (tmp_path / "own.py").write_text("def f(prompts, completions, **columns): return [1.0, 1.0]\n")
    reward = ComposedReward(0.0, (Part("f", Whole, OwnFunction(f"{tmp_path}/own.py:f")),))
    assert compute(reward, SURD, "<answer>7</answer>").total is None


@pytest.mark.parametrize("verifier", [name for name in get_args(VerifierName) if name not in ("code", "reasoning_gym")])
def test_nothing_a_model_writes_is_evaluated(verifier: VerifierName, tmp_path: Path) -> None:
    """verl #7603: eval on model text. (Programs are run, in the sandbox; reasoning-gym's scorers have a test of their own.)"""
    mark = tmp_path / "mark"
    attack = f"__import__('pathlib').Path('{mark}').touch()"
    data = {"numbers": [3, 8], "target": 24, "schema": {}, "instructions": [{"kind": "json"}], "options": ["a", "b"], "answers": ["a"]}
    problem = Problem("p", "t", "", verifier, answer="24", data=data)
    for answer in (attack, rf"\text{{{attack}}}", rf"\boxed{{{attack}}}", f"[{attack}]", f"lambda: {attack}", f"x = {attack}"):
        compute(rule_reward(), problem, f"<think>so</think><answer>{answer}</answer>")
    assert not mark.exists()
