"""The rollouts of one step as the learner sees them: rewards by group, advantages, and rows of tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dunwu.algorithms.advantages import dead_groups
from dunwu.algorithms.recipes import Algorithm
from dunwu.trainers.micro_batches import pad_right
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
    sizes = {len(group.rollouts) for group in groups}
    assert len(sizes) == 1, f"groups of {sorted(sizes)} rollouts in one batch: every prompt needs the same number of rewards"
    rollouts = tuple(rollout for group in groups for rollout in group.rollouts)
    totals = [rollout.reward.total for rollout in rollouts]
    valid_PG = torch.tensor([total is not None and math.isfinite(total) for total in totals]).view(len(groups), -1)
    rewards_PG = torch.tensor([0.0 if total is None else total for total in totals]).view_as(valid_PG).masked_fill(~valid_PG, 0.0)
    return Experience(rollouts, rewards_PG, valid_PG, algorithm.advantage(rewards_PG, valid_PG).flatten())


@dataclass(frozen=True)
class TokenRows:
    """Prompts and completions side by side, padded on the right. ``completion_BT`` is true on tokens of completions."""

    ids_BT: Tensor
    attention_BT: Tensor
    completion_BT: Tensor
    behaviour_logprobs_BT: Tensor


def token_rows(rollouts: Sequence[Rollout], pad: int, device: torch.device) -> TokenRows:
    """Rows of a micro-batch on the device; behaviour log-probabilities are 0 outside completions."""
    ids_BT, attention_BT = pad_right([rollout.prompt.token_ids + rollout.completion.token_ids for rollout in rollouts], pad, device)
    completion_BT = torch.zeros(ids_BT.shape, dtype=torch.bool)
    behaviour_BT = torch.zeros(ids_BT.shape)
    for row, rollout in enumerate(rollouts):
        assert len(rollout.completion.behaviour_logprobs) == len(rollout.completion.token_ids), "one behaviour log-probability per token"
        start = len(rollout.prompt.token_ids)
        end = start + len(rollout.completion.token_ids)
        completion_BT[row, start:end] = True
        behaviour_BT[row, start:end] = torch.tensor(rollout.completion.behaviour_logprobs)
    return TokenRows(ids_BT, attention_BT, completion_BT.to(device), behaviour_BT.to(device))
