"""All rewards of a rollout, in the order in which they are computed.

1. The rules, one completion at a time, in worker processes during generation: accuracy, format, language, custom functions
   (`dunwu.rewards.compose`).
2. Reward models, on all rollouts of a step at once (`dunwu.trainers.model_rewards`).
3. Custom functions that compare the answers to a prompt (`dunwu.rewards.own_group`), and teachers (`dunwu.trainers.teacher_rewards`).
4. Evening-out: a part that does not apply to some of a group counts as its mean there (`dunwu.rewards.group`).
5. Rewards by the number of tokens: the soft overlong punishment, then the cosine length reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from dunwu.config.rewards import OwnPart, PartConfig
from dunwu.config.zero import ZeroConfig
from dunwu.rewards.group import GroupReward, MeanForMissing, cosine_length, overlong
from dunwu.rewards.own_group import OwnGroupReward
from dunwu.trainers.model_rewards import ModelRewards
from dunwu.types import Group


class GroupPart(GroupReward, AbstractContextManager["GroupPart", None], Protocol):
    """A part of the reward that sees all completions of a step."""

    @property
    def name(self) -> str:
        """Its name in metrics."""
        ...

    @property
    def config(self) -> PartConfig:
        """Its configuration."""
        ...


class GroupRewards:
    """Steps 2 to 5. ``weights`` are those of the rules' parts. A context manager, as custom functions run in processes."""

    def __init__(self, config: ZeroConfig, weights: Mapping[str, float], models: ModelRewards, teachers: Sequence[GroupPart] = ()) -> None:
        """Raises `ConfigError` for a function that cannot be loaded."""
        steps, limit, grpo = config.grpo.steps, config.sampling.max_tokens, config.grpo
        own = (part for part in config.reward if isinstance(part, OwnPart) and part.sees == "group")
        self._parts: list[GroupPart] = [
            *(OwnGroupReward(part, grpo.group_size, config.reward_workers, config.reward_timeout) for part in own),
            *teachers,
        ]
        self._all: list[GroupReward] = [
            *([lambda groups, step: models.add(groups, step, steps)] if models.parts else []),
            *self._parts,
            MeanForMissing({**weights, **{part.name: part.config.weight for part in self._parts}}),
        ]
        if config.overlong_tokens:
            self._all.append(overlong(limit, config.overlong_tokens))
        if config.cosine_length_weight:
            self._all.append(cosine_length(limit, config.cosine_length_weight))
        self._stack = ExitStack()

    def __enter__(self) -> GroupRewards:
        for part in self._parts:
            self._stack.enter_context(part)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """The groups of step ``step`` with their final rewards."""
        for reward in self._all:
            groups = reward(groups, step)
        return list(groups)
