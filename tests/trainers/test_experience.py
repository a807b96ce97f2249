"""Rewards become advantages: failed ones are left out, never a 0; what does not fit is refused, never broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dunwu.algorithms.recipes import GRPO_R1
from dunwu.trainers.experience import make_experience, token_rows
from dunwu.types import Completion, Group, Rollout

MakeGroups = Callable[..., list[Group]]
CPU = torch.device("cpu")


def test_advantages_by_hand(make_groups: MakeGroups) -> None:
    experience = make_experience(make_groups([[0.0, 2.0], [1.0, 1.0]]), GRPO_R1)
    torch.testing.assert_close(experience.advantages_B, torch.tensor([-1.0, 1.0, 0.0, 0.0]), atol=1e-5, rtol=0)
    assert experience.dead_P.tolist() == [False, True]


@pytest.mark.parametrize("failed", [None, math.nan, math.inf, -math.inf])
def test_a_failed_reward_is_excluded_and_is_no_zero(failed: float | None, make_groups: MakeGroups) -> None:
    experience = make_experience(make_groups([[1.0, 1.0, failed, 3.0], [1.0, 1.0, 1.0, failed]]), GRPO_R1)
    # Mean 5/3 and population std sqrt(8)/3 of (1, 1, 3); a silent 0 would have made the mean 5/4, and the second group alive.
    expected = [-1 / math.sqrt(2), -1 / math.sqrt(2), 0.0, math.sqrt(2), 0.0, 0.0, 0.0, 0.0]
    torch.testing.assert_close(experience.advantages_B, torch.tensor(expected), atol=1e-5, rtol=0)
    assert experience.valid_PG.tolist() == [[True, True, False, True], [True, True, True, False]]
    assert experience.dead_P.tolist() == [False, True]
    reported = experience.reported_advantages()
    assert reported[2] is None
    assert reported[7] is None
    assert reported[0] == pytest.approx(-1 / math.sqrt(2), abs=1e-5)


def test_a_group_with_fewer_than_two_rewards_is_dead(make_groups: MakeGroups) -> None:
    experience = make_experience(make_groups([[None, 1.0], [None, None]]), GRPO_R1)
    assert experience.dead_P.tolist() == [True, True]
    assert experience.advantages_B.tolist() == [0.0] * 4


def test_a_wrong_number_of_rewards_is_no_broadcast(make_groups: MakeGroups) -> None:
    uneven = make_groups([[0.0, 1.0, 2.0]]) + make_groups([[0.0]])  # 4 rollouts of 2 groups: they would fit a 2 x 2 table
    with pytest.raises(AssertionError, match="the same number of rewards"):
        make_experience(uneven, GRPO_R1)


def test_rows_by_hand(one_rollout: Callable[..., Rollout]) -> None:
    rows = token_rows([one_rollout([5, 6], [7, 8, 9], 1.0, [-0.1, -0.2, -0.3]), one_rollout([5], [7], 0.0, [-0.4])], 1, CPU)
    assert rows.ids_BT.tolist() == [[5, 6, 7, 8, 9], [5, 7, 1, 1, 1]]
    assert rows.attention_BT.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert rows.completion_BT.tolist() == [[False, False, True, True, True], [False, True, False, False, False]]
    torch.testing.assert_close(rows.behaviour_logprobs_BT, torch.tensor([[0, 0, -0.1, -0.2, -0.3], [0, -0.4, 0, 0, 0]]))


def test_one_logprob_for_many_tokens_is_no_broadcast(one_rollout: Callable[..., Rollout]) -> None:
    whole: Any = one_rollout([5, 6], [7, 8, 9], 1.0)
    torn = Rollout(whole.prompt, Completion((7, 8, 9), "", (-0.1,), "stop", 0), whole.reward)
    with pytest.raises(AssertionError, match="one behaviour log-probability per token"):
        token_rows([torn], 1, CPU)
