"""Sampling and rewarding: order, seeds, and a wrong number of anything is an assertion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from dunwu.data.rollouts import rollout_seeds, sample_groups
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.text.answer_forms import in_form
from dunwu.types import Completion, FinishReason, Problem, Prompt, Request, Reward, SamplingParams, TokenSequence, Verdict
from dunwu.verifiers.unread import CUT_OFF, why_unread

PROMPTS = [Prompt(Problem(f"p{i}", "t", f"text {i}", "number"), "", (i,), prefill=f"[{i}]") for i in range(3)]
PARAMS = SamplingParams(4)


class Speaker:
    """An engine that says its seed, the last rollout first; ``lost`` rollouts at the end are not delivered."""

    policy_version = 7

    def __init__(self, lost: int = 0, silent: int = 0) -> None:
        self._lost, self._silent = lost, silent

    def generate(self, requests: Sequence[Request], on_completion: Callable[[int, Completion], None] | None = None) -> list[Completion]:
        made = [Completion(TokenSequence.drawn((5,), (-1.0,), self.policy_version), str(r.seed), "stop") for r in requests]
        for index in reversed(range(self._silent, len(made))):
            assert on_completion is not None
            on_completion(index, made[index])
        return made[: len(made) - self._lost]

    def load_weights(self, version: int, state: object = None) -> None:
        self.policy_version = version


def reward_of(problem: Problem, text: str) -> Reward:
    """Says what it was given: the problem's number, the prefill's and the seed."""
    number = float(problem.id[1:])
    prefill, seed = text.removeprefix("[").split("]")
    return Reward(1000 * number + 100 * float(prefill) + float(seed), {}, Verdict(1.0, "correct"))


def sample(engine: Speaker) -> list[list[float | None]]:
    with RewardPool(reward_of, 0, 1.0) as pool:
        groups = sample_groups(engine, pool, PROMPTS, PARAMS, 2, range(6)).groups
    assert [group.prompt for group in groups] == PROMPTS
    return [[rollout.reward.total for rollout in group.rollouts] for group in groups]


def test_each_rollout_has_its_own_reward_whatever_the_order_of_finishing() -> None:
    assert sample(Speaker()) == [[0, 1], [1102, 1103], [2204, 2205]]


def test_too_few_completions_are_refused() -> None:
    with pytest.raises(AssertionError, match="5 completions for 3 prompts x 2"):
        sample(Speaker(lost=1))


def test_a_missing_reward_is_refused() -> None:
    with pytest.raises(AssertionError, match="5 rewards for 6 rollouts"):
        sample(Speaker(silent=1))


def test_seeds_depend_on_their_place_alone() -> None:
    few, many = rollout_seeds(1, 5, 2, 3), rollout_seeds(1, 5, 4, 3)
    assert many[:6] == few
    assert len(set(many)) == 12
    assert all(0 <= seed < 2**63 for seed in many)
    assert rollout_seeds(1, 5, 2, 2) == [few[0], few[1], few[3], few[4]]
    assert not set(few) & set(rollout_seeds(1, 6, 2, 3))
    assert not set(few) & set(rollout_seeds(2, 5, 2, 3))


def test_a_completion_that_was_cut_off_is_read_as_such() -> None:
    """Its last number is a step of the reasoning, where a box was asked for."""

    class Cut(Speaker):
        def generate(self, requests: Sequence[Request], on_completion: Callable[[int, Completion], None] | None = None) -> list[Completion]:
            ends: tuple[FinishReason, ...] = ("stop", "length")
            made = [Completion(TokenSequence.drawn((5,), (-1.0,), 7), "So far 5", end) for end in ends]
            for index, completion in enumerate(made):
                assert on_completion is not None
                on_completion(index, completion)
            return made

    problem = in_form(Problem("p", "t", "2 + 3?", "number", answer="5"), "boxed-or-last-number")
    with RewardPool(rule_reward(), 0, 1.0) as pool:
        (group,) = sample_groups(Cut(), pool, [Prompt(problem, "", (1,))], PARAMS, 2, range(2)).groups
    assert [rollout.reward.total for rollout in group.rollouts] == [2.0, 0.0]
    assert why_unread(group.rollouts[1]) == CUT_OFF
