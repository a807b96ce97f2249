"""Rewards that see all answers to a prompt: the protocol, and the small ones.

`dunwu.trainers.group_rewards` defines their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dunwu.rewards.length import CosineShape, with_cosine_length, with_overlong
from dunwu.types import Group, Reward, Rollout, Verdict

_FAILED = ("timeout", "error")


class GroupReward(Protocol):
    """Changes the rewards of rollouts given all rollouts of their group."""

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """The groups of a step (from 1) with new rewards; rollouts and their order do not change."""
        ...


def with_rewards(group: Group, rewards: Sequence[Reward]) -> Group:
    """The group with these rewards."""
    return replace(group, rollouts=tuple(replace(r, reward=reward) for r, reward in zip(group.rollouts, rewards, strict=True)))


def with_part(reward: Reward, name: str, score: float | None, added: float | None) -> Reward:
    """``reward`` with the part ``score`` and with ``added`` added to its total (``None``: nothing is added)."""
    parts = {**reward.parts, name: score}
    failed = reward.total is None and reward.verdict.reason in _FAILED
    return replace(reward, parts=parts) if failed or added is None else replace(reward, parts=parts, total=(reward.total or 0.0) + added)


def with_failure(reward: Reward, name: str, failure: str) -> Reward:
    """``reward`` marked as failed at the part ``name``: it is excluded, never a 0."""
    detail, parts = f"part {name}: {failure}", {**reward.parts, name: None}
    return replace(reward, total=None, parts=parts, verdict=Verdict(None, "error", detail), failures={**reward.failures, name: detail})


def with_finite_totals(groups: Sequence[Group]) -> list[Group]:
    """The groups, in which a total that is not finite (a weight times a huge score, say) is a failed reward with its reason."""
    return [with_rewards(group, [_finite(rollout.reward) for rollout in group.rollouts]) for group in groups]


def _finite(reward: Reward) -> Reward:
    if reward.total is None or math.isfinite(reward.total):
        return reward
    detail = f"the total is {reward.total}, not a finite number"
    return replace(reward, total=None, verdict=Verdict(None, "error", detail), failures={**reward.failures, "reward": detail})


@dataclass(frozen=True, slots=True)
class MeanForMissing:
    """A part that does not apply to a rollout counts as its mean over the rollouts of the group to which it applies.

    Otherwise it would count as 0: a completion without words would lose against those that get a language reward, and the policy would
    learn to write words for the reward. With the mean, the part does not change the rollout's advantage.
    """

    weights: Mapping[str, float]

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """See `GroupReward`."""
        return [with_rewards(group, self.rewards([rollout.reward for rollout in group.rollouts])) for group in groups]

    def rewards(self, group: Sequence[Reward]) -> list[Reward]:
        """The rewards of one group."""
        totals = [reward.total for reward in group]
        for name, weight in self.weights.items():
            known = [score for reward in group if (score := reward.parts.get(name)) is not None]
            if weight and known and len(known) < len(group):
                missing = weight * sum(known) / len(known)
                totals = [
                    total + missing if total is not None and reward.parts.get(name) is None else total
                    for total, reward in zip(totals, group, strict=True)
                ]
        return [reward if total == reward.total else replace(reward, total=total) for total, reward in zip(totals, group, strict=True)]


@dataclass(frozen=True, slots=True)
class ByLength:
    """A reward shaped by the number of tokens that the policy sampled."""

    reward_of: Callable[[Reward, int], Reward]

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """See `GroupReward`."""
        return [with_rewards(group, list(map(self._of, group.rollouts))) for group in groups]

    def _of(self, rollout: Rollout) -> Reward:
        return self.reward_of(rollout.reward, rollout.completion.tokens.sampled_count)


def overlong(max_tokens: int, overlong_tokens: int) -> ByLength:
    """The soft overlong punishment (`overlong_punishment`)."""
    return ByLength(lambda reward, tokens: with_overlong(reward, tokens, max_tokens, overlong_tokens))


def cosine_length(max_tokens: int, weight: float) -> ByLength:
    """The cosine length reward (`cosine_length_reward`) with open-r1's values."""
    return ByLength(lambda reward, tokens: with_cosine_length(reward, tokens, max_tokens, CosineShape(), weight))
