import pickle

import pytest

from dunwu.rewards.compose import ComposedReward, Part
from dunwu.rewards.group import MeanForMissing
from dunwu.rewards.scope import Reasoning, Visible, Whole, look_at, narrow
from dunwu.types import Problem, Reward, Verdict

PROBLEM = Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": [3, 8], "target": 24})
BROKEN = Problem(id="p", task="countdown", text="", verifier="expression")
TEXT = "<think>secret plan</think>Well: <answer>3 * 8</answer>"


def length(problem, seen):
    return float(len(seen.text))


def fails(problem, seen):
    raise OSError("no disk")


def none(problem, seen):
    return None


def test_each_scope_shows_its_part_and_no_more():
    whole = look_at(TEXT)
    assert narrow(whole, Whole) is whole
    assert narrow(whole, Reasoning) == Reasoning("secret plan")
    assert narrow(whole, Visible) == Visible("Well: 3 * 8")


@pytest.mark.parametrize("text", ["<think>never ends", "<think>I say <answer>7</answer>"])
def test_reasoning_that_never_ends_is_never_visible(text):
    assert narrow(look_at(text), Visible) == Visible("")
    assert narrow(look_at(text), Reasoning).text in text


def test_without_think_tags_everything_is_visible_and_nothing_reasoning():
    assert narrow(look_at("plain"), Visible) == Visible("plain")
    assert narrow(look_at("plain"), Reasoning) == Reasoning("")


def test_weighted_sum_over_the_parts_that_apply():
    reward = ComposedReward(2.0, (Part("a", Reasoning, length, 0.5), Part("b", Visible, none, 7.0), Part("c", Visible, length, 0.0)))
    found = reward(PROBLEM, TEXT)
    assert found.parts == {"accuracy": 1.0, "a": 11.0, "b": None, "c": 11.0}
    assert found.total == 2.0 * 1.0 + 0.5 * 11.0
    assert reward.part_names == ("accuracy", "a", "b", "c")


def test_a_part_applies_to_its_tasks_only():
    reward = ComposedReward(1.0, (Part("a", Whole, length, 1.0, ("chat",)),), accuracy_tasks=("countdown",))
    assert reward(PROBLEM, TEXT).parts == {"accuracy": 1.0, "a": None}
    other = Problem(id="q", task="chat", text="", verifier="number", answer="24")
    found = reward(other, "<answer>7</answer>")
    assert found.parts == {"accuracy": None, "a": 18.0}
    assert (found.total, found.verdict.reason) == (18.0, "wrong")  # measured all the same


def test_a_rollout_to_which_nothing_applies_is_excluded_not_0():
    assert ComposedReward(0.0, (Part("a", Whole, none),))(PROBLEM, TEXT).total is None


def test_a_part_that_raises_excludes_the_rollout_and_is_named():
    found = ComposedReward(1.0, (Part("a", Whole, fails), Part("b", Whole, length)))(PROBLEM, TEXT)
    assert (found.total, found.verdict.score, found.verdict.reason) == (None, None, "error")
    assert found.verdict.detail == "part a: OSError: no disk"
    assert found.parts == {"accuracy": 1.0, "a": None, "b": float(len(TEXT))}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "much"])
def test_a_part_that_is_no_finite_number_excludes_the_rollout(value):
    found = ComposedReward(1.0, (Part("a", Whole, lambda problem, seen: value),))(PROBLEM, TEXT)
    assert (found.total, found.verdict.reason) == (None, "error")


def test_without_accuracy_in_the_reward_the_verdict_is_there_and_its_failure_excludes_nothing():
    reward = ComposedReward(0.0, (Part("a", Whole, length),))
    assert (reward(PROBLEM, "<answer>3 + 8</answer>").total, reward(PROBLEM, "<answer>3 + 8</answer>").verdict.reason) == (22.0, "wrong")
    with pytest.raises(KeyError):  # a malformed problem; whoever computes rewards records it
        reward(BROKEN, TEXT)


def test_a_hidden_check_is_made_for_a_share_and_never_summed():
    reward = ComposedReward(1.0, hidden=Part("hidden", Whole, length), hidden_share=0.25)
    texts = [f"<answer>3 * 8</answer>{i}" for i in range(2000)]
    found = [reward(PROBLEM, text) for text in texts]
    checked = [r for r in found if r.parts["hidden"] is not None]
    assert all(r.total == 1.0 for r in found)
    assert 0.2 < len(checked) / len(found) < 0.3
    assert [r.parts["hidden"] for r in (reward(PROBLEM, text) for text in texts)] == [r.parts["hidden"] for r in found]


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(AssertionError, match="two parts of one name"):
        ComposedReward(1.0, (Part("accuracy", Whole, length),))


def test_it_travels_to_worker_processes():
    reward = ComposedReward(1.0, (Part("a", Reasoning, length),))
    assert pickle.loads(pickle.dumps(reward))(PROBLEM, TEXT) == reward(PROBLEM, TEXT)


def test_a_part_that_does_not_apply_moves_a_rollout_neither_way():
    """By hand: language 0.8 and 0.4, weight 0.5, is missing once; its mean 0.6 adds 0.3 there."""
    verdict = Verdict(1.0, "correct")
    group = [
        Reward(1.0 + 0.4, {"accuracy": 1.0, "language": 0.8}, verdict),
        Reward(0.0 + 0.2, {"accuracy": 0.0, "language": 0.4}, verdict),
        Reward(1.0, {"accuracy": 1.0, "language": None}, verdict),
        Reward(None, {"accuracy": None, "language": None}, verdict),
    ]
    found = MeanForMissing({"accuracy": 1.0, "language": 0.5}).rewards(group)
    assert [reward.total for reward in found] == [1.4, 0.2, pytest.approx(1.3), None]
    assert [reward.parts for reward in found] == [reward.parts for reward in group]
    assert MeanForMissing({"accuracy": 1.0, "language": 0.0}).rewards(group) == group
    assert MeanForMissing({"accuracy": 1.0, "language": 0.5}).rewards(group[:2]) == group[:2]
    assert MeanForMissing({"accuracy": 1.0, "language": 0.5}).rewards(group[2:]) == group[2:]  # applies to none: as it is
