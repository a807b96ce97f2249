"""Rewards become advantages: failed ones are left out, never a 0; what does not fit is refused, never broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from dunwu.algorithms.covariance import CLIP_COV, KL_COV
from dunwu.algorithms.recipes import GRPO_R1
from dunwu.trainers.experience import chosen_tokens, make_experience
from dunwu.types import Group, Rollout, StepReward, TokenSequence

MakeGroups = Callable[..., list[Group]]
CPU = torch.device("cpu")


def test_advantages_by_hand(make_groups: MakeGroups) -> None:
    experience = make_experience(make_groups([[0.0, 2.0], [1.0, 1.0]]), GRPO_R1)
    torch.testing.assert_close(experience.advantages_BT[:, 0], torch.tensor([-1.0, 1.0, 0.0, 0.0]), atol=1e-5, rtol=0)
    assert experience.dead_P.tolist() == [False, True]


@pytest.mark.parametrize("failed", [None, math.nan, math.inf, -math.inf])
def test_a_failed_reward_is_excluded_and_is_no_zero(failed: float | None, make_groups: MakeGroups) -> None:
    experience = make_experience(make_groups([[1.0, 1.0, failed, 3.0], [1.0, 1.0, 1.0, failed]]), GRPO_R1)
    # Mean 5/3 and population std sqrt(8)/3 of (1, 1, 3); a silent 0 would have made the mean 5/4, and the second group alive.
    expected = [-1 / math.sqrt(2), -1 / math.sqrt(2), 0.0, math.sqrt(2), 0.0, 0.0, 0.0, 0.0]
    torch.testing.assert_close(experience.advantages_BT[:, 0], torch.tensor(expected), atol=1e-5, rtol=0)
    assert experience.valid_PG.tolist() == [[True, True, False, True], [True, True, True, False]]
    assert experience.dead_P.tolist() == [False, True]
    reported = experience.reported_advantages()
    assert reported[2] is None
    assert reported[7] is None
    assert reported[0] == pytest.approx(-1 / math.sqrt(2), abs=1e-5)


def test_a_group_with_fewer_than_two_rewards_is_dead(make_groups: MakeGroups) -> None:
    experience = make_experience(make_groups([[None, 1.0], [None, None]]), GRPO_R1)
    assert experience.dead_P.tolist() == [True, True]
    assert not experience.advantages_BT.any()


def test_rewards_of_steps_by_hand(make_groups: MakeGroups) -> None:
    """DeepSeekMath 4.1.3: step rewards 0, 1, 1, 2 have mean 1 and std 1/sqrt(2); a token has the sum of its step's and later ones."""
    (group,) = make_groups([[1.0, 1.0]])
    tokens = TokenSequence.drawn((5, 6, 7, 8), (-1.0,) * 4, 0)
    steps = ((StepReward(1, 0.0), StepReward(3, 1.0)), (StepReward(0, 1.0), StepReward(2, 2.0)))
    rollouts = [
        replace(r, completion=replace(r.completion, tokens=tokens), reward=replace(r.reward, steps=each))
        for r, each in zip(group.rollouts, steps, strict=True)
    ]
    found = make_experience([replace(group, rollouts=tuple(rollouts))], GRPO_R1).advantages_BT
    root = math.sqrt(2)
    torch.testing.assert_close(found, torch.tensor([[-root, -root, 0, 0], [root, root, root, 0]]), atol=1e-5, rtol=0)


def test_what_the_policy_did_not_write_has_no_advantage_and_is_never_chosen(one_rollout: Callable[..., Rollout]) -> None:
    rollouts = []
    for total in (1.0, 0.0):
        rollout = one_rollout([5], [7, 8], total, [-0.1, -5.1])
        tokens = rollout.completion.tokens + TokenSequence.given((9, 9)) + TokenSequence.drawn((3,), (-2.0,), 1)
        rollouts.append(replace(rollout, completion=replace(rollout.completion, tokens=tokens)))
    experience = make_experience([Group(rollouts[0].prompt, tuple(rollouts))], GRPO_R1)
    torch.testing.assert_close(experience.advantages_BT[0], torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0]), atol=1e-5, rtol=0)
    chosen = chosen_tokens(experience, [[0, 1]], replace(KL_COV, share=1.0), torch.Generator().manual_seed(0))
    assert chosen[0].tolist() == [True, True, False, False, True]
    assert rollouts[0].completion.tokens.versions == {0, 1}
    assert rollouts[0].completion.tokens.sampled_count == 3


def test_a_rollout_without_sampled_tokens_trains_nothing(one_rollout: Callable[..., Rollout]) -> None:
    first, second = (one_rollout([5], [7, 8], total, [-0.1, -5.1]) for total in (1.0, 0.0))
    for tokens in (TokenSequence.given((9, 9)), TokenSequence((), (), (), ())):
        other = replace(second, completion=replace(second.completion, tokens=tokens))
        experience = make_experience([Group(first.prompt, (first, other))], GRPO_R1)
        torch.testing.assert_close(experience.advantages_BT, torch.tensor([[1.0, 1.0], [0.0, 0.0]]), atol=1e-5, rtol=0)
        assert experience.reported_advantages() == [pytest.approx(1.0, abs=1e-5), None]


def test_a_wrong_number_of_rewards_is_no_broadcast(make_groups: MakeGroups) -> None:
    uneven = make_groups([[0.0, 1.0, 2.0]]) + make_groups([[0.0]])  # 4 rollouts of 2 groups: they would fit a 2 x 2 table
    with pytest.raises(AssertionError, match="the same number of rewards"):
        make_experience(uneven, GRPO_R1)


def test_tokens_are_chosen_within_their_minibatch_by_hand(one_rollout: Callable[..., Rollout]) -> None:
    """Advantages 1 and -1. Mini-batch 1: covariances of (-0.1, -5.1, -2.6 | -2.6) about means -2.6 and 0.5; then one rollout each."""
    good, bad = one_rollout([5], [7, 8, 9], 1.0, [-0.1, -5.1, -2.6]), one_rollout([5], [7], 0.0, [-2.6])
    experience = make_experience([Group(good.prompt, (good, bad))], GRPO_R1)
    generator = torch.Generator().manual_seed(0)
    chosen = chosen_tokens(experience, [[1, 0]], replace(CLIP_COV, share=1.0), generator)
    assert chosen[0].tolist() == [True, False, False]  # 2.5 * 0.5 = 1.25 lies within (1, 5)
    assert chosen[1].tolist() == [False]
    assert not any(c.any() for c in chosen_tokens(experience, [[0], [1]], replace(CLIP_COV, share=1.0), generator).values())
