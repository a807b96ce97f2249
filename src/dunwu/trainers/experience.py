"""The rollouts of one step as training data: rewards by group, and the advantage of each token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dunwu.algorithms.advantages import dead_groups, process_normalised
from dunwu.algorithms.covariance import CovarianceControl, covariances
from dunwu.algorithms.loss import Algorithm
from dunwu.types import Group, Rollout


@dataclass(frozen=True)
class Experience:
    """B = P*G rollouts in order, their rewards (0 where ``valid_PG`` is false: the reward failed), and the advantage of each token.

    ``advantages_BT`` is 0 on tokens that the policy did not draw, and behind a completion's end.
    """

    rollouts: tuple[Rollout, ...]
    rewards_PG: Tensor
    valid_PG: Tensor
    advantages_BT: Tensor

    @property
    def dead_P(self) -> Tensor:
        """Groups without a signal: all their rewards are equal."""
        return dead_groups(self.rewards_PG, self.valid_PG)

    def reported_advantages(self) -> list[float | None]:
        """Of the first sampled token, one per rollout; ``None`` for a rollout that was excluded or has no sampled token."""
        first = [tokens.sampled.index(True) if tokens.sampled_count else None for tokens in (r.completion.tokens for r in self.rollouts)]
        rows = zip(self.advantages_BT, first, self.valid_PG.flatten().tolist(), strict=True)
        return [float(row_T[place]) if valid and place is not None else None for row_T, place, valid in rows]


def make_experience(groups: Sequence[Group], algorithm: Algorithm) -> Experience:
    """Rewards, and the advantage of each token: that of the whole answer, plus that of its steps where steps have rewards.

    A reward that is missing or not finite is excluded, never 0.
    """
    rollouts = tuple(rollout for group in groups for rollout in group.rollouts)
    rewards_PG, valid_PG = rewards_of(groups)
    sampled_BT = pad_sequence([torch.tensor(rollout.completion.tokens.sampled, dtype=torch.bool) for rollout in rollouts], batch_first=True)
    advantages_BT = algorithm.advantage(rewards_PG, valid_PG).flatten()[:, None].expand_as(sampled_BT)
    if any(rollout.reward.steps for rollout in rollouts):
        advantages_BT = advantages_BT + _of_steps(rollouts, valid_PG, sampled_BT.shape[1])
    return Experience(rollouts, rewards_PG, valid_PG, advantages_BT.masked_fill(~sampled_BT, 0.0))


def _of_steps(rollouts: Sequence[Rollout], valid_PG: Tensor, tokens: int) -> Tensor:
    """Advantages of process supervision, (B, T); those of rollouts whose reward failed are 0."""
    steps = [rollout.reward.steps if valid else () for rollout, valid in zip(rollouts, valid_PG.flatten().tolist(), strict=True)]
    values, ends, valid = (
        pad_sequence([torch.tensor(row, dtype=dtype) for row in rows], batch_first=True).view(*valid_PG.shape, -1)
        for rows, dtype in (
            ([[step.value for step in row] for row in steps], torch.float32),
            ([[step.end for step in row] for row in steps], torch.int64),
            ([[True] * len(row) for row in steps], torch.bool),
        )
    )
    return process_normalised(values, ends, valid, tokens).flatten(0, 1)


def rewards_of(groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
    """``(rewards_PG, valid_PG)`` of groups of one size; 0 and false where the reward failed."""
    sizes = {len(group.rollouts) for group in groups}
    assert len(sizes) == 1, f"groups of {sorted(sizes)} rollouts in one batch: every prompt needs the same number of rewards"
    totals = [rollout.reward.total for group in groups for rollout in group.rollouts]
    valid_PG = torch.tensor([total is not None and math.isfinite(total) for total in totals]).view(len(groups), -1)
    rewards_PG = torch.tensor([0.0 if total is None else total for total in totals]).view_as(valid_PG).masked_fill(~valid_PG, 0.0)
    return rewards_PG, valid_PG


def chosen_tokens(
    experience: Experience, minibatches: Sequence[Sequence[int]], control: CovarianceControl, generator: torch.Generator
) -> dict[int, Tensor]:
    """By rollout, which tokens of its completion the covariance control chooses among those that were drawn in its mini-batch."""
    found: dict[int, Tensor] = {}
    for minibatch in minibatches:
        sequences = [experience.rollouts[i].completion.tokens for i in minibatch]
        lengths = [len(tokens) for tokens in sequences]
        sampled_N = torch.tensor([drawn for tokens in sequences for drawn in tokens.sampled])
        logprobs_N = torch.tensor([logprob for tokens in sequences for logprob in tokens.behaviour_logprobs])
        advantages_N = torch.cat([experience.advantages_BT[i, :length] for i, length in zip(minibatch, lengths, strict=True)])
        chosen_N = torch.zeros_like(sampled_N)
        chosen_N[sampled_N] = control.choose(covariances(logprobs_N[sampled_N], advantages_N[sampled_N]), control.share, generator)
        found |= dict(zip(minibatch, torch.split(chosen_N, lengths), strict=True))
    return found
