"""The rollouts of one step as the learner sees them: rewards by group, advantages, and rows of tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dunwu.algorithms.advantages import dead_groups
from dunwu.algorithms.covariance import CovarianceControl, covariances
from dunwu.algorithms.recipes import Algorithm
from dunwu.types import Group, Rollout


@dataclass(frozen=True)
class Experience:
    """B = P*G rollouts in order, their rewards (0 where ``valid_PG`` is false: the reward failed), and the advantages."""

    rollouts: tuple[Rollout, ...]
    rewards_PG: Tensor
    valid_PG: Tensor
    advantages_B: Tensor

    @property
    def dead_P(self) -> Tensor:
        """Groups without a signal: all their rewards are equal."""
        return dead_groups(self.rewards_PG, self.valid_PG)

    def reported_advantages(self) -> list[float | None]:
        """One per rollout, ``None`` for a rollout that was excluded."""
        pairs = zip(self.advantages_B.tolist(), self.valid_PG.flatten().tolist(), strict=True)
        return [advantage if valid else None for advantage, valid in pairs]


def make_experience(groups: Sequence[Group], algorithm: Algorithm) -> Experience:
    """Rewards and group-relative advantages. A reward that is missing or not finite is excluded, never a 0."""
    rollouts = tuple(rollout for group in groups for rollout in group.rollouts)
    rewards_PG, valid_PG = rewards_of(groups)
    return Experience(rollouts, rewards_PG, valid_PG, algorithm.advantage(rewards_PG, valid_PG).flatten())


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
    """By rollout, which tokens of its completion the covariance control chooses among those of its mini-batch."""
    found: dict[int, Tensor] = {}
    for minibatch in minibatches:
        completions = [experience.rollouts[i].completion for i in minibatch]
        lengths = [len(completion.token_ids) for completion in completions]
        logprobs_N = torch.tensor([logprob for completion in completions for logprob in completion.behaviour_logprobs])
        advantages_N = experience.advantages_B[list(minibatch)].repeat_interleave(torch.tensor(lengths))
        chosen_N = control.choose(covariances(logprobs_N, advantages_N), control.share, generator)
        found |= dict(zip(minibatch, torch.split(chosen_N, lengths), strict=True))
    return found
