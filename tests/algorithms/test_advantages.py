"""Group-normalised advantages: hand-computed groups, failed rewards, equal rewards, process supervision."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dunwu.algorithms.advantages import (
    batch_normalised,
    dead_groups,
    group_centred,
    group_centred_batch_normalised,
    group_normalised,
    group_normalised_sample_std,
    leave_one_out,
    process_normalised,
)

F64 = torch.float64
BY_GROUP = [group_normalised, group_normalised_sample_std, group_centred, leave_one_out, group_centred_batch_normalised]
"""All but `batch_normalised`, in which groups mix."""


def all_valid(rewards: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(rewards, dtype=torch.bool)


def test_hand_computed_group() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=F64)
    # mean 1/4, population variance 3/16: (3/4) / (sqrt(3)/4) = sqrt(3), (-1/4) / (sqrt(3)/4) = -1/sqrt(3)
    expected = torch.tensor([[3**0.5, -(3**-0.5), -(3**-0.5), -(3**-0.5)]], dtype=F64)
    torch.testing.assert_close(group_normalised(rewards, all_valid(rewards)), expected, rtol=1e-5, atol=0)


def test_sample_std_is_smaller_by_the_root_of_three_quarters() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=F64)
    # sample variance 3/4 / 3 = 1/4: (3/4) / (1/2) = 1.5
    expected = torch.tensor([[1.5, -0.5, -0.5, -0.5]], dtype=F64)
    torch.testing.assert_close(group_normalised_sample_std(rewards, all_valid(rewards)), expected, rtol=1e-5, atol=0)


def test_groups_do_not_mix() -> None:
    rewards = torch.tensor([[0.0, 2.0], [100.0, 0.0]], dtype=F64)
    torch.testing.assert_close(
        group_normalised(rewards, all_valid(rewards)), torch.tensor([[-1.0, 1.0], [1.0, -1.0]], dtype=F64), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("advantage", BY_GROUP)
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -1e30])
def test_failed_rewards_are_as_if_they_were_not_there(advantage, garbage: float) -> None:
    rewards = torch.tensor([[1.0, garbage, 0.0, 0.5]], dtype=F64)
    valid = torch.tensor([[True, False, True, True]])
    without = torch.tensor([[1.0, 0.0, 0.5]], dtype=F64)
    got = advantage(rewards, valid)
    assert got[0, 1] == 0
    torch.testing.assert_close(got[:, [0, 2, 3]], advantage(without, all_valid(without)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("advantage", BY_GROUP)
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0, -7.3, 1e6])
@pytest.mark.parametrize("group", [2, 3, 7, 16])
def test_equal_rewards_give_exactly_zero(advantage, value: float, group: int) -> None:
    rewards = torch.full((2, group), value)
    assert torch.equal(advantage(rewards, all_valid(rewards)), torch.zeros(2, group))


@pytest.mark.parametrize("valid", [[False, False, False], [False, True, False]])
def test_fewer_than_two_valid_rewards_give_zero(valid: list[bool]) -> None:
    rewards = torch.tensor([[0.2, 0.7, 1.0]])
    for advantage in (*BY_GROUP, batch_normalised):
        assert torch.equal(advantage(rewards, torch.tensor([valid])), torch.zeros(1, 3))
    assert dead_groups(rewards, torch.tensor([valid])).tolist() == [True]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(-8, 8), min_size=2, max_size=12), st.integers(-5, 5), st.integers(1, 9))
def test_against_python_statistics_and_invariants(group: list[int], shift: int, scale: int) -> None:
    rewards = torch.tensor([group], dtype=F64) / 4
    got = group_normalised(rewards, all_valid(rewards))
    values = [g / 4 for g in group]
    std = statistics.pstdev(values)
    expected = [(v - statistics.fmean(values)) / std if std > 0 else 0.0 for v in values]
    torch.testing.assert_close(got, torch.tensor([expected], dtype=F64), rtol=2e-5, atol=1e-12)
    assert abs(got.sum().item()) < 1e-9
    moved = group_normalised(rewards * scale + shift, all_valid(rewards))
    torch.testing.assert_close(moved, got, rtol=5e-5, atol=1e-9)
    assert dead_groups(rewards, all_valid(rewards)).item() == (len(set(group)) == 1)


def test_dead_groups_look_at_valid_rewards_only() -> None:
    rewards = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, math.nan, 0.0], [2.0, 0.0, math.nan]])
    valid = torch.tensor([[True, True, True], [True, True, False], [True, False, True], [True, True, False]])
    assert dead_groups(rewards, valid).tolist() == [False, True, True, False]


def test_inputs_are_checked_and_left_alone() -> None:
    rewards = torch.tensor([[1.0, math.nan]])
    group_normalised(rewards, torch.tensor([[True, False]]))
    assert math.isnan(rewards[0, 1])
    with pytest.raises(AssertionError, match="differ"):
        group_normalised(torch.zeros(1, 3), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(AssertionError, match="floats"):
        group_normalised(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool))


TWO_GROUPS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [4.0, 0.0, 4.0, 0.0]], dtype=F64)


def test_group_centred_by_hand() -> None:
    expected = torch.tensor([[0.75, -0.25, -0.25, -0.25], [2.0, -2.0, 2.0, -2.0]], dtype=F64)
    torch.testing.assert_close(group_centred(TWO_GROUPS, all_valid(TWO_GROUPS)), expected)


def test_leave_one_out_by_hand() -> None:
    # 1 - 0 and 0 - 1/3; 4 - (0 + 4 + 0)/3 and 0 - (4 + 4 + 0)/3
    expected = torch.tensor([[1.0, -1 / 3, -1 / 3, -1 / 3], [8 / 3, -8 / 3, 8 / 3, -8 / 3]], dtype=F64)
    torch.testing.assert_close(leave_one_out(TWO_GROUPS, all_valid(TWO_GROUPS)), expected)
    valid = torch.tensor([[True, True, False, False], [True, True, True, True]])
    torch.testing.assert_close(leave_one_out(TWO_GROUPS, valid)[0], torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=F64))


def test_batch_normalised_by_hand() -> None:
    # Mean 9/8; squares 1 + 16 + 16 over 8 less 81/64: variance 183/64.
    expected = (TWO_GROUPS - 9 / 8) / (183**0.5 / 8)
    got = batch_normalised(TWO_GROUPS, all_valid(TWO_GROUPS))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)
    assert abs(got.sum()) < 1e-9
    assert not batch_normalised(torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.ones(2, 2, dtype=torch.bool)).eq(0).any()
    assert batch_normalised(torch.full((2, 3), 0.1), torch.ones(2, 3, dtype=torch.bool)).eq(0).all()


def test_group_baseline_with_the_scale_of_the_batch_by_hand() -> None:
    # Squares of the centred rewards: 9/16 + 3/16 = 3/4 and 4 * 4 = 16; over 8.
    expected = group_centred(TWO_GROUPS, all_valid(TWO_GROUPS)) / (16.75 / 8) ** 0.5
    torch.testing.assert_close(group_centred_batch_normalised(TWO_GROUPS, all_valid(TWO_GROUPS)), expected, rtol=1e-5, atol=0)


def test_a_failed_reward_is_left_out_of_the_batch_too() -> None:
    valid = torch.tensor([[True, True, True, False], [True, True, True, True]])
    broken = TWO_GROUPS.masked_fill(~valid, math.nan)
    known = [1.0, 0.0, 0.0, 4.0, 0.0, 4.0, 0.0]
    got = batch_normalised(broken, valid)
    assert got[0, 3] == 0
    assert got[1, 0].item() == pytest.approx((4 - statistics.fmean(known)) / statistics.pstdev(known), rel=1e-5)


@pytest.mark.parametrize("advantage", [*BY_GROUP, batch_normalised])
def test_every_advantage_sums_to_zero_and_ignores_a_shift_of_all_rewards(advantage) -> None:
    rewards = torch.rand(5, 4, dtype=F64, generator=torch.Generator().manual_seed(0))
    got = advantage(rewards, all_valid(rewards))
    assert abs(got.sum()) < 1e-9
    torch.testing.assert_close(advantage(rewards + 3, all_valid(rewards)), got, rtol=1e-6, atol=1e-9)


def test_process_supervision_by_hand() -> None:
    # One group of two rollouts: steps ending at tokens 1 and 3, and one step ending at token 2. Rewards 1, 0, -1: mean 0, std sqrt(2/3).
    rewards = torch.tensor([[[1.0, 0.0], [-1.0, 99.0]]], dtype=F64)
    ends = torch.tensor([[[1, 3], [2, 777]]])
    valid = torch.tensor([[[True, True], [True, False]]])
    unit = 1.5**0.5
    expected = torch.tensor([[[unit, unit, 0, 0, 0], [-unit, -unit, -unit, 0, 0]]], dtype=F64)
    torch.testing.assert_close(process_normalised(rewards, ends, valid, tokens=5), expected, rtol=1e-5, atol=1e-12)


def test_process_supervision_with_one_step_at_the_end_is_outcome_supervision() -> None:
    rewards = torch.tensor([[0.0, 1.0, 0.5]], dtype=F64)
    ends = torch.full((1, 3, 1), 3)
    per_token = process_normalised(rewards[..., None], ends, torch.ones(1, 3, 1, dtype=torch.bool), tokens=4)
    outcome = group_normalised(rewards, all_valid(rewards))
    torch.testing.assert_close(per_token, outcome[..., None].expand(1, 3, 4))


def test_process_supervision_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards = torch.rand(3, 4, 5, generator=generator, dtype=F64)
    ends = torch.randint(0, 11, (3, 4, 5), generator=generator)
    valid = torch.rand(3, 4, 5, generator=generator) < 0.7
    got = process_normalised(rewards, ends, valid, tokens=11)
    for p in range(3):
        known = [rewards[p, g, s].item() for g in range(4) for s in range(5) if valid[p, g, s]]
        mean, std = statistics.fmean(known), statistics.pstdev(known)
        for g in range(4):
            for t in range(11):
                steps = [s for s in range(5) if valid[p, g, s] and ends[p, g, s] >= t]
                expected = sum((rewards[p, g, s].item() - mean) / std for s in steps)
                assert got[p, g, t].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_process_supervision_refuses_a_step_outside() -> None:
    with pytest.raises(AssertionError, match="outside"):
        process_normalised(torch.zeros(1, 2, 1), torch.full((1, 2, 1), 4), torch.ones(1, 2, 1, dtype=torch.bool), tokens=4)
