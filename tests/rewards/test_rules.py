import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.rewards.rules import rule_reward
from dunwu.types import Problem

PROBLEM = Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": [3, 8], "target": 24})
NUMBER = Problem(id="n", task="gsm8k", text="", verifier="number", answer="24")


@pytest.mark.parametrize(
    ("text", "accuracy", "form"),
    [
        ("<think>try</think><answer>3 * 8</answer>", 1.0, 1.0),
        ("<think>try</think><answer>3 + 8</answer>", 0.0, 1.0),
        ("<think>try</think><answer>3 * 8</answer> bye", 1.0, 0.0),
        ("<think>try</think><answer>3 * 8</answer><answer>3 * 8</answer>", 0.0, 0.0),
        ("<think>try</think><answer>3 + 8</answer><answer>3 * 8</answer>", 0.0, 0.0),
        ("<think>try</think><answer>3 + 8, 3 * 8</answer>", 0.0, 1.0),
        ("<think><answer>3 * 8</answer>", 0.0, 0.0),
        ("<think>3 * 8 = 24</think>", 0.0, 0.0),
        ("3 * 8", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_accuracy_and_format_weigh_the_same(text, accuracy, form):
    reward = rule_reward()(PROBLEM, text)
    assert reward.parts == {"accuracy": accuracy, "format": form}
    assert reward.total == accuracy + form
    assert reward.verdict.score == accuracy
    assert tuple(reward.parts) == rule_reward().part_names


def test_weights():
    reward = rule_reward(accuracy_weight=2.0, format_weight=0.5)
    assert reward(PROBLEM, "<think></think><answer>3 * 8</answer>").total == 2.5
    assert reward(PROBLEM, "<think></think><answer>8</answer>").total == 0.5


def test_a_prefilled_think_tag_counts():
    completion = "3 * 8 = 24</think> <answer>3 * 8</answer>"
    assert rule_reward()(PROBLEM, completion).parts["format"] == 0.0  # what a reward that forgets the prefill gives, always
    assert rule_reward()(PROBLEM, "<think>" + completion).parts["format"] == 1.0


def test_the_end_marker_is_not_text_after_the_answer():
    text = "<think></think><answer>3 * 8</answer><|end|>"
    assert rule_reward(end_marker="<|end|>")(PROBLEM, text).total == 2.0
    assert rule_reward()(PROBLEM, text).total == 1.0


def test_a_failed_verifier_gives_no_total_and_no_silent_zero():
    broken = Problem(id="n", task="gsm8k", text="", verifier="number", answer="no gold")
    reward = rule_reward()(broken, "<think></think><answer>24</answer>")
    assert (reward.total, reward.verdict.score, reward.verdict.reason) == (None, None, "error")
    assert reward.parts == {"accuracy": None, "format": 1.0}


def test_boxes_answer_too():
    assert rule_reward()(NUMBER, r"<think>3 * 8</think> It is \boxed{24}.").parts == {"accuracy": 1.0, "format": 0.0}


@given(st.text())
def test_no_text_raises(text):
    for problem in (PROBLEM, NUMBER):
        assert rule_reward()(problem, f"<think>{text}</think><answer>{text}</answer>").total in (0.0, 1.0, 2.0)
