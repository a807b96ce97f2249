"""The GRPO loss: against an independent loop over Eqs. 1-3, under micro-batching, by gradient check, and its sign."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace

import pytest
import torch

from dunwu.algorithms.advantages import group_normalised
from dunwu.algorithms.loss import GrpoBatch, GrpoLoss, grpo_loss
from dunwu.algorithms.recipes import ALGORITHMS, GRPO_R1, GRPO_R1_OUTPUT, Algorithm
from dunwu.algorithms.reductions import denominators_of, sequence_mean_token_sum, token_mean

F64 = torch.float64
PROMPTS, GROUP, TOKENS = 2, 3, 5
EVERY = pytest.mark.parametrize(
    "algorithm",
    [
        *ALGORITHMS.values(),
        replace(GRPO_R1, name="token-mean", reduce=token_mean),
        replace(GRPO_R1, name="sum", reduce=sequence_mean_token_sum),
    ],
    ids=lambda algorithm: algorithm.name,
)


def random_rewards() -> torch.Tensor:
    return torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 2.0]], dtype=F64)


def random_batch(seed: int = 0) -> GrpoBatch:
    """Six rollouts of different lengths whose policy has moved far enough that some ratios are clipped."""
    generator = torch.Generator().manual_seed(seed)

    def noise() -> torch.Tensor:
        return torch.randn(PROMPTS * GROUP, TOKENS, dtype=F64, generator=generator)

    old = noise() - 2
    lengths = torch.tensor([5, 3, 1, 4, 2, 5])
    rewards = random_rewards()
    return GrpoBatch(
        policy_logprobs_BT=old + 0.3 * noise(),
        old_logprobs_BT=old,
        reference_logprobs_BT=old + 0.3 * noise(),
        advantages=group_normalised(rewards, torch.ones_like(rewards, dtype=torch.bool)).flatten(),
        mask_BT=torch.arange(TOKENS)[None, :] < lengths[:, None],
    )


def rows(batch: GrpoBatch, start: int, stop: int) -> GrpoBatch:
    parts = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return GrpoBatch(**{name: None if part is None else part[start:stop] for name, part in parts.items()})


def slow_equations(batch: GrpoBatch, epsilon: float, beta: float, per_output: bool) -> float:
    """Eqs. 1-3 in plain Python numbers, one rollout and one token at a time, to be minimised."""
    policy, old, reference = (x.tolist() for x in (batch.policy_logprobs_BT, batch.old_logprobs_BT, batch.reference_logprobs_BT))
    rewards = random_rewards().tolist()
    objective = 0.0
    for p in range(PROMPTS):
        mean = sum(rewards[p]) / GROUP
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards[p]) / GROUP)
        for g in range(GROUP):
            b = p * GROUP + g
            advantage = (rewards[p][g] - mean) / (std + 1e-6)
            length = sum(batch.mask_BT[b].tolist())
            whole = math.prod(math.exp(policy[b][t] - old[b][t]) for t in range(length))
            terms = []
            for t in range(length):
                ratio = whole if per_output else math.exp(policy[b][t] - old[b][t])
                clipped = min(max(ratio, 1 - epsilon), 1 + epsilon)
                towards = math.exp(reference[b][t]) / math.exp(policy[b][t])
                terms.append(min(ratio * advantage, clipped * advantage) - beta * (towards - math.log(towards) - 1))
            objective += sum(terms) / length / GROUP / PROMPTS
    return -objective


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("algorithm", [GRPO_R1, GRPO_R1_OUTPUT, ALGORITHMS["grpo-deepseekmath"]], ids=lambda a: a.name)
def test_against_a_loop_over_the_equations(algorithm: Algorithm, seed: int) -> None:
    batch = random_batch(seed)
    got = grpo_loss(algorithm, batch, denominators_of(batch.mask_BT)).loss.item()
    expected = slow_equations(batch, algorithm.clip_low, algorithm.beta, per_output=algorithm.name == "grpo-r1-output")
    assert got == pytest.approx(expected, rel=1e-10)


def test_the_two_ratios_differ() -> None:
    batch = random_batch()
    denominators = denominators_of(batch.mask_BT)
    assert abs(grpo_loss(GRPO_R1, batch, denominators).loss - grpo_loss(GRPO_R1_OUTPUT, batch, denominators).loss) > 1e-3


@EVERY
@pytest.mark.parametrize("cuts", [(0, 6), (0, 1, 2, 3, 4, 5, 6), (0, 4, 6), (0, 1, 6)])
def test_micro_batches_leave_loss_gradient_and_metrics_unchanged(algorithm: Algorithm, cuts: tuple[int, ...]) -> None:
    batch = random_batch()
    denominators = denominators_of(batch.mask_BT)

    def run(cuts: tuple[int, ...]) -> tuple[list[GrpoLoss], torch.Tensor]:
        policy = batch.policy_logprobs_BT.clone().requires_grad_()
        whole = replace(batch, policy_logprobs_BT=policy)
        losses = [grpo_loss(algorithm, rows(whole, a, b), denominators) for a, b in itertools.pairwise(cuts)]
        for loss in losses:
            loss.loss.backward()
        assert policy.grad is not None
        return losses, policy.grad

    (one,), whole_gradient = run((0, 6))
    many, gradient = run(cuts)
    torch.testing.assert_close(gradient, whole_gradient, rtol=1e-12, atol=1e-14)
    for field in fields(GrpoLoss):
        expected, *parts = (float(torch.as_tensor(getattr(loss, field.name)).detach()) for loss in [one, *many])
        assert sum(parts) == pytest.approx(expected, rel=1e-12, abs=1e-14), field.name


@EVERY
def test_gradcheck(algorithm: Algorithm) -> None:
    batch = random_batch()
    denominators = denominators_of(batch.mask_BT)
    policy = batch.policy_logprobs_BT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: grpo_loss(algorithm, replace(batch, policy_logprobs_BT=x), denominators).loss, (policy,))


@EVERY
def test_raising_the_logprob_of_a_good_token_lowers_the_loss(algorithm: Algorithm) -> None:
    algorithm = replace(algorithm, beta=0.0)
    batch = replace(random_batch(), reference_logprobs_BT=None)
    at_old = replace(batch, policy_logprobs_BT=batch.old_logprobs_BT)
    denominators = denominators_of(batch.mask_BT)
    start = grpo_loss(algorithm, at_old, denominators).loss
    for b in range(PROMPTS * GROUP):
        moved = at_old.policy_logprobs_BT.clone()
        moved[b, 0] += 0.01
        change = grpo_loss(algorithm, replace(at_old, policy_logprobs_BT=moved), denominators).loss - start
        assert torch.sign(change) == -torch.sign(batch.advantages[b])


def test_descending_the_loss_raises_the_probability_of_the_rewarded_action() -> None:
    logits = torch.zeros(1, 3, dtype=F64, requires_grad=True)
    actions = torch.tensor([0, 1, 2, 2])
    rewards = torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=F64)
    advantages = group_normalised(rewards, torch.ones(1, 4, dtype=torch.bool)).flatten()
    optimiser = torch.optim.SGD([logits], lr=0.5)
    for _ in range(20):
        policy = torch.log_softmax(logits, -1)[0, actions][:, None]
        batch = GrpoBatch(policy, None, None, advantages, torch.ones(4, 1, dtype=torch.bool))
        optimiser.zero_grad()
        grpo_loss(replace(GRPO_R1, beta=0.0), batch, denominators_of(batch.mask_BT)).loss.backward()
        optimiser.step()
    assert torch.softmax(logits.detach(), -1)[0, 2] > 0.9


def test_without_old_logprobs_the_ratio_is_one_and_the_gradient_is_reinforce() -> None:
    batch = replace(random_batch(), old_logprobs_BT=None, reference_logprobs_BT=None)
    policy = batch.policy_logprobs_BT.clone().requires_grad_()
    got = grpo_loss(replace(GRPO_R1, beta=0.0), replace(batch, policy_logprobs_BT=policy), denominators_of(batch.mask_BT))
    got.loss.backward()
    lengths = batch.mask_BT.sum(dim=1, keepdim=True)
    torch.testing.assert_close(policy.grad, torch.where(batch.mask_BT, -batch.advantages[:, None] / lengths / 6, 0.0))
    assert got.ratio_sum.item() == pytest.approx(got.tokens.item())
    assert got.clipped == 0


def test_advantages_may_be_per_token() -> None:
    batch = random_batch()
    denominators = denominators_of(batch.mask_BT)
    wide = replace(batch, advantages=batch.advantages[:, None].expand(-1, TOKENS))
    torch.testing.assert_close(grpo_loss(GRPO_R1, wide, denominators).loss, grpo_loss(GRPO_R1, batch, denominators).loss)
    wide = replace(wide, advantages=wide.advantages * torch.arange(TOKENS))
    assert grpo_loss(GRPO_R1, wide, denominators).loss != grpo_loss(GRPO_R1, batch, denominators).loss


def test_dead_rollouts_may_be_left_out_when_beta_is_zero() -> None:
    batch = replace(random_batch(), reference_logprobs_BT=None)
    batch = replace(batch, advantages=torch.cat([torch.zeros(3, dtype=F64), batch.advantages[3:]]))
    algorithm, denominators = replace(GRPO_R1, beta=0.0), denominators_of(batch.mask_BT)
    torch.testing.assert_close(grpo_loss(algorithm, rows(batch, 3, 6), denominators).loss, grpo_loss(algorithm, batch, denominators).loss)


def test_kl_is_weighed_by_beta_and_reported_unweighed() -> None:
    batch = random_batch()
    denominators = denominators_of(batch.mask_BT)
    got = grpo_loss(replace(GRPO_R1, beta=0.5), batch, denominators)
    torch.testing.assert_close(got.loss, got.policy_loss + 0.5 * got.kl_loss)
    assert got.kl_loss > 0
    only_metric = grpo_loss(replace(GRPO_R1, beta=0.0), batch, denominators)
    torch.testing.assert_close(only_metric.loss, got.policy_loss)
    torch.testing.assert_close(only_metric.kl_sum, got.kl_sum)


def test_beta_without_a_reference_is_refused() -> None:
    batch = replace(random_batch(), reference_logprobs_BT=None)
    with pytest.raises(AssertionError, match="reference"):
        grpo_loss(GRPO_R1, batch, denominators_of(batch.mask_BT))
