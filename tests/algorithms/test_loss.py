"""The GRPO loss: against an independent loop over Eqs. 1-3, under micro-batching, by gradient check, and its sign."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace

import pytest
import torch

from dunwu.algorithms.advantages import group_normalised
from dunwu.algorithms.covariance import CLIP_COV, KL_COV
from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.loss import GrpoBatch, GrpoLoss, grpo_loss
from dunwu.algorithms.mismatch import CORRECTIONS, truncated_per_token
from dunwu.algorithms.recipes import (
    ALGORITHMS,
    CISPO,
    DAPO,
    DR_GRPO,
    GRPO_R1,
    GRPO_R1_OUTPUT,
    GSPO,
    REINFORCE_PP_BASELINE,
    RLOO,
    Algorithm,
)
from dunwu.algorithms.terms import (
    Denominators,
    clipped_per_output,
    clipped_weight,
    denominators_of,
    sequence_mean_constant,
    sequence_mean_token_mean,
    token_mean,
)

F64 = torch.float64
PROMPTS, GROUP, TOKENS = 2, 3, 5
EVERY = pytest.mark.parametrize(
    "algorithm",
    [
        *ALGORITHMS.values(),
        replace(GRPO_R1, name="token-mean", reduce=token_mean),
        replace(REINFORCE_PP_BASELINE, name="k2", beta=0.1),
        *(replace(GRPO_R1, name=f"tis-{mode}", mismatch=mismatch, tis_clip=1.2) for mode, mismatch in CORRECTIONS.items()),
        replace(DAPO, name="entropy", entropy=EntropyBonus(0.3)),
        replace(DR_GRPO, name="clip-cov", covariance=CLIP_COV),
        replace(GRPO_R1, name="kl-cov", covariance=KL_COV),
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
        advantages_BT=group_normalised(rewards, torch.ones_like(rewards, dtype=torch.bool)).flatten()[:, None].expand(-1, TOKENS),
        mask_BT=torch.arange(TOKENS)[None, :] < lengths[:, None],
        behaviour_logprobs_BT=old + 0.2 * noise(),
        entropies_BT=noise().exp(),
        chosen_BT=noise() > 0.5,
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
    """Losses with a part that is held constant (a weight of CISPO, a token of Clip-Cov) have no finite difference: checked apart."""
    if algorithm.surrogate is clipped_weight or algorithm.covariance is CLIP_COV:
        pytest.skip("its gradient is not that of its value; see test_surrogates and test_covariance")
    batch = random_batch()
    denominators = denominators_of(batch.mask_BT)
    policy, entropies = batch.policy_logprobs_BT.clone().requires_grad_(), batch.entropies_BT.clone().requires_grad_()

    def loss(x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        return grpo_loss(algorithm, replace(batch, policy_logprobs_BT=x, entropies_BT=e), denominators).loss

    assert torch.autograd.gradcheck(loss, (policy, entropies))


@EVERY
def test_descent_raises_the_logprob_of_good_tokens_and_lowers_that_of_bad_ones(algorithm: Algorithm) -> None:
    algorithm = replace(algorithm, beta=0.0, covariance=None, mismatch=truncated_per_token)
    batch = replace(random_batch(), reference_logprobs_BT=None)
    policy = batch.old_logprobs_BT.clone().requires_grad_()
    grpo_loss(algorithm, replace(batch, policy_logprobs_BT=policy), denominators_of(batch.mask_BT)).loss.backward()
    assert torch.equal(torch.sign(policy.grad), torch.where(batch.mask_BT, -torch.sign(batch.advantages_BT), 0.0))


@EVERY
def test_at_ratio_one_the_gradient_is_reinforce_with_the_weights_of_the_reduction(algorithm: Algorithm) -> None:
    """-A / (what the reduction divides by); on whole outputs, each token's gradient is that of its output."""
    algorithm = replace(algorithm, beta=0.0, covariance=None, tis_clip=0.0)
    batch = replace(random_batch(), reference_logprobs_BT=None)
    policy = batch.old_logprobs_BT.clone().requires_grad_()
    grpo_loss(algorithm, replace(batch, policy_logprobs_BT=policy), denominators_of(batch.mask_BT)).loss.backward()
    lengths = batch.mask_BT.sum(dim=1, keepdim=True)
    divisors = {
        sequence_mean_token_mean: 6.0 * lengths,
        token_mean: lengths.sum() * torch.ones_like(lengths),
        sequence_mean_constant: 6.0 * TOKENS * torch.ones_like(lengths),
    }[algorithm.reduce]
    if algorithm.surrogate is clipped_per_output:
        divisors = 6.0 * torch.ones_like(lengths)  # d ratio / d logprob_t = 1 for every t, and the mean gives the output's loss once
    torch.testing.assert_close(policy.grad, torch.where(batch.mask_BT, -batch.advantages_BT / divisors, 0.0))


def test_descending_the_loss_raises_the_probability_of_the_rewarded_action() -> None:
    logits = torch.zeros(1, 3, dtype=F64, requires_grad=True)
    actions = torch.tensor([0, 1, 2, 2])
    rewards = torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=F64)
    advantages = group_normalised(rewards, torch.ones(1, 4, dtype=torch.bool)).flatten()[:, None]
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
    torch.testing.assert_close(policy.grad, torch.where(batch.mask_BT, -batch.advantages_BT / lengths / 6, 0.0))
    assert got.ratio_sum.item() == pytest.approx(got.tokens.item())
    assert got.clipped == 0


def test_each_token_has_its_own_advantage() -> None:
    batch = replace(random_batch(), old_logprobs_BT=None, reference_logprobs_BT=None)
    batch = replace(batch, advantages_BT=batch.advantages_BT * torch.arange(TOKENS))
    policy = batch.policy_logprobs_BT.clone().requires_grad_()
    grpo_loss(replace(GRPO_R1, beta=0.0), replace(batch, policy_logprobs_BT=policy), denominators_of(batch.mask_BT)).loss.backward()
    lengths = batch.mask_BT.sum(dim=1, keepdim=True)
    torch.testing.assert_close(policy.grad, torch.where(batch.mask_BT, -batch.advantages_BT / lengths / 6, 0.0))


def test_dead_rollouts_may_be_left_out_when_beta_is_zero() -> None:
    batch = replace(random_batch(), reference_logprobs_BT=None)
    batch = replace(batch, advantages_BT=torch.cat([torch.zeros(3, TOKENS, dtype=F64), batch.advantages_BT[3:]]))
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


def by_hand(algorithm: Algorithm, **parts: torch.Tensor) -> GrpoLoss:
    """Two outputs, of two tokens and of one, with ratios 1.5 and 1, and 0.5; advantages 1 and -2."""
    ratio = torch.tensor([[1.5, 1.0], [0.5, 1.0]], dtype=F64)
    old = torch.full((2, 2), -1.0, dtype=F64)
    mask = torch.tensor([[True, True], [True, False]])
    batch = GrpoBatch(old + ratio.log(), old, None, torch.tensor([[1.0], [-2.0]], dtype=F64).expand(2, 2), mask, **parts)
    return grpo_loss(replace(algorithm, beta=0.0), batch, Denominators(rollouts=2, tokens=3, max_tokens=10))


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (GRPO_R1, (-(1.2 + 1.0) / 2 + 2 * 0.8) / 2),
        (GRPO_R1_OUTPUT, (-1.2 + 2 * 0.8) / 2),
        (DR_GRPO, (-(1.2 + 1.0) + 2 * 0.8) / (2 * 10)),
        (DAPO, (-(1.28 + 1.0) + 2 * 0.8) / 3),
        (GSPO, (-1.0004 + 2 * 0.9997) / 2),
        (CISPO, (-1.5 * (math.log(1.5) - 1) + 1.0 + 2 * 0.5 * (math.log(0.5) - 1)) / 3),
        (RLOO, (-1.2 + 2 * 0.8) / 2),
        (ALGORITHMS["reinforce++"], (-(1.2 + 1.0) + 2 * 0.8) / 3),
        (REINFORCE_PP_BASELINE, (-(1.2 + 1.0) + 2 * 0.8) / 3),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_algorithm_by_hand(algorithm: Algorithm, expected: float) -> None:
    assert by_hand(algorithm).loss.item() == pytest.approx(expected, rel=1e-12)


def test_mismatch_weights_by_hand() -> None:
    behaviour = torch.full((2, 2), -1.0, dtype=F64) - torch.tensor([[3.0, 0.5], [1.2, 7.0]], dtype=F64).log()  # old/behaviour
    got = by_hand(replace(DAPO, tis_clip=2.0), behaviour_logprobs_BT=behaviour)
    assert got.loss.item() == pytest.approx((-(2.0 * 1.28 + 0.5 * 1.0) + 1.2 * 2 * 0.8) / 3, rel=1e-12)
    assert got.weight_sum.item() == pytest.approx(2.0 + 0.5 + 1.2)
    assert by_hand(DAPO, behaviour_logprobs_BT=behaviour).weight_sum == 3


def test_the_entropy_bonus_by_hand() -> None:
    entropies = torch.tensor([[0.5, 0.25], [1.0, 9.0]], dtype=F64)
    for algorithm in (DAPO, GRPO_R1, DR_GRPO):
        got = by_hand(replace(algorithm, entropy=EntropyBonus(0.1)), entropies_BT=entropies)
        assert got.loss.item() == pytest.approx(by_hand(algorithm).loss.item() - 0.1 * 1.75 / 3, rel=1e-12)
        torch.testing.assert_close(got.policy_loss, by_hand(algorithm).policy_loss)


@pytest.mark.parametrize(
    ("option", "needed"),
    [({"tis_clip": 2.0}, "behaviour"), ({"entropy": EntropyBonus(0.1)}, "entropies"), ({"covariance": CLIP_COV}, "chosen")],
)
def test_an_option_without_what_it_needs_is_refused(option: dict[str, object], needed: str) -> None:
    with pytest.raises(AssertionError, match=needed):
        by_hand(replace(DAPO, **option))
