"""Functions of the user's that see all answers to a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.config.rewards import OwnPart
from dunwu.rewards.own_group import OwnGroupReward
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict

PROMPT = Prompt(Problem("p", "sums", "1 + 1 = ?", "number", "2", data={"level": 3}), "", (1,), "<think>")
FUNCTIONS = """
def rank(prompts, completions, level, **columns):
    assert len(prompts) == len(completions) == len(level) and set(level) == {3}
    order = sorted(range(len(completions)), key=lambda i: len(completions[i]))
    return [order.index(i) / (len(order) - 1) for i in range(len(order))]

def some(prompts, completions, **columns):
    return [None if "b" in c else 1 for c in completions]

def short(prompts, completions, **columns):
    return [1.0]

def hang(prompts, completions, **columns):
    while True:
        pass
"""


def group_of(*texts: str, totals: tuple[float | None, ...] = (1.0, 1.0, 1.0)) -> Group:
    rollouts = []
    for text, total in zip(texts, totals, strict=True):
        verdict = Verdict(total, "error" if total is None else "correct")
        completion = Completion(TokenSequence.drawn((5,), (-1.0,), 0), text, "stop")
        rollouts.append(Rollout(PROMPT, completion, Reward(total, {"accuracy": total}, verdict)))
    return Group(PROMPT, tuple(rollouts))


@pytest.fixture
def rewarded(tmp_path: Path):
    """``rewarded(function, group, **config)``: the rewards of the group with the part."""
    file = tmp_path / "own.py"
    file.write_text(FUNCTIONS, encoding="utf-8")

    def do(function: str, group: Group, workers: int = 0, timeout: float = 5.0, **config: object) -> list[Reward]:
        part = OwnPart(function=f"{file}:{function}", sees="group", **config)
        with OwnGroupReward(part, 3, workers, timeout) as own:
            (found,) = own([group], 1)
        return [rollout.reward for rollout in found.rollouts]

    return do


@pytest.mark.parametrize("workers", [0, 1])
def test_answers_are_ranked_among_each_other(workers: int, rewarded) -> None:
    found = rewarded("rank", group_of("bbbbbb</think>x", "a</think>yyyy", "c</think>zz"), workers, weight=2.0)
    assert [reward.parts["rank"] for reward in found] == [1.0, 0.5, 0.0]
    assert [reward.total for reward in found] == [3.0, 2.0, 1.0]
    visible = rewarded("rank", group_of("bbbbbb</think>x", "a</think>yyyy", "c</think>zz"), workers, scope="visible", name="by length")
    assert [reward.parts["by length"] for reward in visible] == [0.0, 1.0, 0.5]


def test_what_does_not_apply_adds_nothing_and_a_failed_reward_stays_failed(rewarded) -> None:
    found = rewarded("some", group_of("a", "b", "a", totals=(1.0, 0.0, None)))
    assert [reward.parts["some"] for reward in found] == [1.0, None, 1.0]
    assert [reward.total for reward in found] == [2.0, 0.0, None]
    other = rewarded("some", group_of("a", "b", "a"), tasks=("chat",))
    assert [reward.total for reward in other] == [1.0, 1.0, 1.0]
    assert [reward.parts["some"] for reward in other] == [None] * 3


def test_a_function_that_fails_or_hangs_excludes_its_group(rewarded) -> None:
    for function, why, workers in (("short", "3 numbers or None", 0), ("hang", "", 1)):
        found = rewarded(function, group_of("a", "b", "c"), workers, timeout=0.3)
        assert [reward.total for reward in found] == [None] * 3
        assert all(why in reward.failures[function] for reward in found)
