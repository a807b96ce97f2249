"""Rewards that see all answers to a prompt: what they have in common, and the small ones.

In which order they come stands in `dunwu.trainers.group_rewards`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dunwu.rewards.length import CosineShape, with_cosine_length
from dunwu.rewards.overlong import with_overlong
from dunwu.types import Group, Reward, Rollout, Verdict

_FAILED = ("timeout", "error")


class GroupReward(Protocol):
    """Changes the rewards of groups in the light of the others of each group."""

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """The groups of a step (from 1) with their new rewards; rollouts and their order stay."""
        ...


def with_rewards(group: Group, rewards: Sequence[Reward]) -> Group:
    """The group with these rewards."""
    return replace(group, rollouts=tuple(replace(r, reward=reward) for r, reward in zip(group.rollouts, rewards, strict=True)))


def with_part(reward: Reward, name: str, score: float | None, added: float | None) -> Reward:
    """``score`` among the parts and ``added`` in the total, which may have had no part that applied; ``None`` adds nothing."""
    parts = {**reward.parts, name: score}
    failed = reward.total is None and reward.verdict.reason in _FAILED
    return replace(reward, parts=parts) if failed or added is None else replace(reward, parts=parts, total=(reward.total or 0.0) + added)


def with_failure(reward: Reward, name: str, failure: str) -> Reward:
    """The reward failed at the part ``name``: excluded, never a 0."""
    detail, parts = f"part {name}: {failure}", {**reward.parts, name: None}
    return replace(reward, total=None, parts=parts, verdict=Verdict(None, "error", detail), failures={**reward.failures, name: detail})


@dataclass(frozen=True, slots=True)
class EvenedOut:
    """A part that does not apply to a rollout counts as its mean over those of the group that it applies to.

    Left out, it would count as 0: beside rollouts that a language reward applies to, those without a word would lose, and the policy would
    learn to talk for the reward's sake. With the mean such a part moves the rollout's advantage neither way.
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
    """What a reward gains or loses by the number of tokens that the policy drew."""

    reward_of: Callable[[Reward, int], Reward]

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """See `GroupReward`."""
        return [with_rewards(group, list(map(self._of, group.rollouts))) for group in groups]

    def _of(self, rollout: Rollout) -> Reward:
        return self.reward_of(rollout.reward, rollout.completion.tokens.sampled_count)


def overlong(max_tokens: int, overlong_tokens: int) -> ByLength:
    """The soft overlong punishment (`dunwu.rewards.overlong`)."""
    return ByLength(lambda reward, tokens: with_overlong(reward, tokens, max_tokens, overlong_tokens))


def cosine_length(max_tokens: int, weight: float) -> ByLength:
    """The cosine length reward (`dunwu.rewards.length`) in open-r1's shape."""
    return ByLength(lambda reward, tokens: with_cosine_length(reward, tokens, max_tokens, CosineShape(), weight))
