"""Entropy control by covariance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dunwu.algorithms.covariance import CLIP_COV, KL_COV, covariances, some_in_range, the_highest
from dunwu.algorithms.loss import GrpoBatch, grpo_loss
from dunwu.algorithms.recipes import DAPO
from dunwu.algorithms.terms import denominators_of

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_covariances_by_hand() -> None:
    # Means -2 and 0.5.
    got = covariances(torch.tensor([-1.0, -3.0, -2.0, -2.0]), torch.tensor([2.5, 0.5, -0.5, -0.5]))
    assert got.tolist() == [2.0, 0.0, 0.0, 0.0]


def test_their_mean_is_the_covariance() -> None:
    logprobs, advantages = torch.randn(2, 100, dtype=F64, generator=generator())
    expected = torch.cov(torch.stack([logprobs, advantages]), correction=0)[0, 1]
    torch.testing.assert_close(covariances(logprobs, advantages).mean(), expected)


def test_a_step_lowers_the_entropy_by_the_covariance() -> None:
    """The theorem behind it: for a softmax whose logits move by eta * A, dH = -eta * Cov(log pi, pi-weighed A) (to first order)."""
    logits = torch.randn(6, dtype=F64, generator=generator())
    advantages = torch.randn(6, dtype=F64, generator=generator(1))
    p, eta = logits.softmax(-1), 1e-6

    def entropy(x: torch.Tensor) -> torch.Tensor:
        return torch.special.entr(x.softmax(-1)).sum()

    logprobs = p.log()
    covariance = (p * (logprobs - (p * logprobs).sum()) * (advantages - (p * advantages).sum())).sum()
    torch.testing.assert_close((entropy(logits + eta * advantages) - entropy(logits)) / eta, -covariance, rtol=1e-4, atol=1e-6)


def test_the_highest_are_chosen() -> None:
    chosen = the_highest(torch.tensor([0.1, 9.0, -3.0, 4.0, 0.2]), 0.4, generator())
    assert chosen.tolist() == [False, True, False, True, False]
    assert the_highest(torch.arange(10.0), 1e-6, generator()).sum() == 1  # at least one


def test_clip_cov_chooses_within_its_range_only() -> None:
    values = torch.tensor([0.5, 1.5, 4.5, 5.5, 1.0, 5.0, 2.0])
    seen = torch.stack([some_in_range(values, 0.3, generator(seed)) for seed in range(40)])
    assert (seen.sum(dim=1) == 2).all()
    assert seen.any(dim=0).tolist() == [False, True, True, False, False, False, True]
    assert torch.equal(some_in_range(values, 0.3, generator(5)), seen[5])
    assert some_in_range(torch.zeros(4), 1.0, generator()).sum() == 0


def losses() -> tuple[GrpoBatch, torch.Tensor]:
    old = torch.full((1, 3), -1.0, dtype=F64)
    policy = (old + torch.tensor([[0.1, -0.2, 0.05]], dtype=F64)).requires_grad_()
    chosen = torch.tensor([[False, True, False]])
    return GrpoBatch(policy, old, None, torch.ones(1, 3, dtype=F64), torch.ones(1, 3, dtype=torch.bool), chosen_BT=chosen), policy


def test_clip_cov_keeps_the_value_and_stops_the_gradient() -> None:
    found = []
    for covariance in (None, CLIP_COV):
        batch, policy = losses()
        got = grpo_loss(replace(DAPO, covariance=covariance), batch, denominators_of(batch.mask_BT))
        got.loss.backward()
        found.append((got.loss.detach(), policy.grad))
    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[1][1], found[0][1] * torch.tensor([[1.0, 0.0, 1.0]], dtype=F64))


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_kl_cov_adds_the_distance_of_chosen_tokens(weight: float) -> None:
    batch, policy = losses()
    denominators = denominators_of(batch.mask_BT)
    got = grpo_loss(replace(DAPO, covariance=replace(KL_COV, weight=weight)), batch, denominators).loss
    plain = grpo_loss(DAPO, batch, denominators).loss
    assert (got - plain).item() == pytest.approx(weight * 0.2 / 3)
    (gradient,) = torch.autograd.grad(got - plain, policy)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, -weight / 3, 0.0]], dtype=F64))
