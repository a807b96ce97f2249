"""The surrogates: clipped per token, per output and per sequence, and the clipped weight."""

from __future__ import annotations

import math

import pytest
import torch

from dunwu.algorithms.terms import clipped_per_output, clipped_per_sequence, clipped_per_token, clipped_weight

F64 = torch.float64
CLIPPED = pytest.mark.parametrize("surrogate", [clipped_per_token, clipped_per_output, clipped_per_sequence])
EVERY = pytest.mark.parametrize("surrogate", [clipped_per_token, clipped_per_output, clipped_per_sequence, clipped_weight])


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=F64)


def test_per_token_by_hand() -> None:
    ratio = row(1.0, 1.5, 1.5, 0.5, 0.5, 1.1)
    advantages = row(2.0, 1.0, -1.0, 1.0, -1.0, -3.0)
    mask = torch.ones(1, 6, dtype=torch.bool)
    got = clipped_per_token(ratio.log(), torch.zeros(1, 6, dtype=F64), advantages, mask, 0.2, 0.2)
    # min(1.5, 1.2) ; min(-1.5, -1.2) ; min(0.5, 0.8) ; min(-0.5, -0.8) ; -3.3
    torch.testing.assert_close(got.loss_BT, row(-2.0, -1.2, 1.5, -0.5, 0.8, 3.3))
    assert got.clipped_BT.tolist() == [[False, True, False, False, True, False]]


def test_asymmetric_clip() -> None:
    ratio, advantages, mask = row(1.25, 0.75), row(1.0, -1.0), torch.ones(1, 2, dtype=torch.bool)
    got = clipped_per_token(ratio.log(), torch.zeros(1, 2, dtype=F64), advantages, mask, 0.2, 0.28)
    torch.testing.assert_close(got.loss_BT, row(-1.25, 0.8))
    assert got.clipped_BT.tolist() == [[False, True]]


def test_clip_of_ten_as_in_the_supplement_never_clips_below() -> None:
    ratio, advantages, mask = row(1e-6, 10.5, 12.0), row(-1.0, 1.0, 1.0), torch.ones(1, 3, dtype=torch.bool)
    got = clipped_per_token(ratio.log(), torch.zeros(1, 3, dtype=F64), advantages, mask, 10.0, 10.0)
    torch.testing.assert_close(got.loss_BT, row(1e-6, -10.5, -11.0))
    assert got.clipped_BT.tolist() == [[False, False, True]]


def test_per_output_by_hand() -> None:
    # Ratios 1.1 * 1.05 = 1.155 (inside) and 1.1 * 1.2 = 1.32 (clipped for A > 0); the masked 9 takes no part.
    policy = torch.tensor([[1.1, 1.05, 9.0], [1.1, 1.2, 9.0], [1.1, 1.2, 9.0]], dtype=F64).log()
    advantages = torch.tensor([[1.0], [1.0], [-1.0]], dtype=F64).expand(3, 3)
    mask = torch.tensor([[True, True, False]] * 3)
    got = clipped_per_output(policy, torch.zeros(3, 3, dtype=F64), advantages, mask, 0.2, 0.2)
    torch.testing.assert_close(got.loss_BT, torch.tensor([[-1.155, -1.155, 0], [-1.2, -1.2, 0], [1.32, 1.32, 0]], dtype=F64))
    assert got.clipped_BT.tolist() == [[False] * 3, [True, True, False], [False] * 3]


def test_per_sequence_by_hand() -> None:
    # Ratios 1.21 and 1 of two tokens: the geometric mean is 1.1; 1.44 and 1: 1.2, clipped at 1.15 for A > 0. The masked 9 takes no part.
    policy = torch.tensor([[1.21, 1.0, 9.0], [1.44, 1.0, 9.0], [1.44, 1.0, 9.0]], dtype=F64).log()
    advantages = torch.tensor([[1.0], [1.0], [-1.0]], dtype=F64).expand(3, 3)
    mask = torch.tensor([[True, True, False]] * 3)
    got = clipped_per_sequence(policy, torch.zeros(3, 3, dtype=F64), advantages, mask, 0.1, 0.15)
    torch.testing.assert_close(got.loss_BT, torch.tensor([[-1.1, -1.1, 0], [-1.15, -1.15, 0], [1.2, 1.2, 0]], dtype=F64))
    assert got.clipped_BT.tolist() == [[False] * 3, [True, True, False], [False] * 3]


def test_on_one_token_all_three_ratios_are_one() -> None:
    policy, advantages, mask = row(0.1).T, row(1.5).T, torch.ones(1, 1, dtype=torch.bool)
    losses = [
        f(policy, 0 * policy, advantages, mask, 0.2, 0.2).loss_BT for f in (clipped_per_token, clipped_per_output, clipped_per_sequence)
    ]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


def test_a_longer_output_does_not_leave_the_clip_range_per_sequence() -> None:
    step = torch.full((1, 500), math.log(1.01), dtype=F64)
    advantages, mask = torch.ones(1, 500, dtype=F64), torch.ones(1, 500, dtype=torch.bool)
    assert clipped_per_output(step, 0 * step, advantages, mask, 0.2, 0.2).clipped_BT.all()
    assert not clipped_per_sequence(step, 0 * step, advantages, mask, 0.2, 0.2).clipped_BT.any()


def test_clipped_weight_by_hand() -> None:
    old = row(-1.0, -1.0, -1.0, -1.0)
    policy = (old + row(1.0, 1.5, 6.0, 0.1).log()).requires_grad_()
    advantages, mask = row(2.0, 1.0, -1.0, -3.0), torch.ones(1, 4, dtype=torch.bool)
    got = clipped_weight(policy, old, advantages, mask, 1.0, 4.0)  # weights 1, 1.5, 5 (of 6) and 0.1
    torch.testing.assert_close(got.loss_BT, -row(1.0, 1.5, 5.0, 0.1) * advantages * policy)
    assert got.clipped_BT.tolist() == [[False, False, True, False]]
    got.loss_BT.sum().backward()
    torch.testing.assert_close(policy.grad, row(-2.0, -1.5, 5.0, 0.3))  # a clipped token keeps a gradient, that of its bound
    bounded = clipped_weight(policy, old, advantages, mask, 0.2, 0.2)
    torch.testing.assert_close(bounded.loss_BT, -row(1.0, 1.2, 1.2, 0.8) * advantages * policy)


def test_the_gradient_of_a_clipped_weight_is_that_of_the_frozen_weight() -> None:
    generator = torch.Generator().manual_seed(2)
    old = torch.randn(2, 3, dtype=F64, generator=generator)
    policy = (old + 0.5 * torch.randn(2, 3, dtype=F64, generator=generator)).requires_grad_()
    advantages, mask = torch.randn(2, 3, dtype=F64, generator=generator), torch.tensor([[True, True, False], [True] * 3])
    (gradient,) = torch.autograd.grad(clipped_weight(policy, old, advantages, mask, 0.2, 0.3).loss_BT.sum(), policy)
    frozen = (policy - old).exp().clamp(0.8, 1.3).detach()
    (expected,) = torch.autograd.grad((-frozen * advantages * policy)[mask].sum(), policy)
    torch.testing.assert_close(gradient, expected)


@CLIPPED
def test_ratio_one_gives_minus_advantage_and_its_gradient(surrogate) -> None:
    policy = torch.randn(3, 1, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    advantages = torch.tensor([[1.5], [-0.5], [0.0]], dtype=F64)
    got = surrogate(policy, policy.detach().clone(), advantages, torch.ones(3, 1, dtype=torch.bool), 0.2, 0.2)
    torch.testing.assert_close(got.loss_BT.detach(), -advantages)
    got.loss_BT.sum().backward()
    torch.testing.assert_close(policy.grad, -advantages)


@CLIPPED
def test_no_gradient_where_clipped(surrogate) -> None:
    policy = torch.tensor([[math.log(1.5)], [math.log(0.5)]], dtype=F64, requires_grad=True)
    advantages = torch.tensor([[1.0], [-1.0]], dtype=F64)
    got = surrogate(policy, torch.zeros(2, 1, dtype=F64), advantages, torch.ones(2, 1, dtype=torch.bool), 0.2, 0.2)
    got.loss_BT.sum().backward()
    assert got.clipped_BT.all()
    assert torch.equal(policy.grad, torch.zeros(2, 1, dtype=F64))


@EVERY
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 1e4])
def test_what_is_under_the_mask_reaches_neither_loss_nor_gradient(surrogate, garbage: float) -> None:
    policy = torch.tensor([[-1.0, garbage]], dtype=F64, requires_grad=True)
    got = surrogate(policy, row(-1.1, garbage), row(1.0, garbage), torch.tensor([[True, False]]), 0.2, 0.2)
    got.loss_BT.sum().backward()
    log = -1.0 if surrogate is clipped_weight else 1.0  # its loss holds the log-probability
    torch.testing.assert_close(got.loss_BT.detach(), row(-math.exp(0.1) * log, 0.0))
    torch.testing.assert_close(policy.grad, row(-math.exp(0.1), 0.0))


@CLIPPED
def test_gradcheck(surrogate) -> None:
    generator = torch.Generator().manual_seed(1)
    old = torch.randn(3, 4, dtype=F64, generator=generator)
    policy = (old + 0.2 * torch.randn(3, 4, dtype=F64, generator=generator)).requires_grad_()
    advantages = torch.randn(3, 4, dtype=F64, generator=generator)
    mask = torch.tensor([[True] * 4, [True, True, False, False], [True, False, False, False]])
    assert torch.autograd.gradcheck(lambda x: surrogate(x, old, advantages, mask, 0.2, 0.2).loss_BT, (policy,))


@EVERY
def test_gradients_of_the_wrong_tensors_are_refused(surrogate) -> None:
    zeros, mask = torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(AssertionError, match="old"):
        surrogate(zeros, zeros.clone().requires_grad_(), zeros, mask, 0.2, 0.2)
    with pytest.raises(AssertionError, match="one shape"):
        surrogate(zeros, zeros, torch.zeros(1, 1), mask, 0.2, 0.2)
    with pytest.raises(AssertionError, match="positive"):
        surrogate(zeros, zeros, zeros, mask, 0.0, 0.2)
