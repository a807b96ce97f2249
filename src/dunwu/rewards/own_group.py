"""Custom rewards that compare the answers to a prompt with each other, such as a ranking."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dunwu.config.rewards import OwnPart
from dunwu.process.own_code import load_function
from dunwu.rewards.group import with_failure, with_part, with_rewards
from dunwu.rewards.make import own_name
from dunwu.rewards.own import call_own
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.scope import SCOPES, look_at, text_in
from dunwu.types import Group, Problem, Reward, Verdict


@dataclass(frozen=True, slots=True)
class GroupFunction:
    """``function`` as a job of the reward pool: its text is the group's texts as a JSON list, its parts are the scores by index."""

    function: str
    size: int

    @property
    def part_names(self) -> tuple[str, ...]:
        """The indices of the group."""
        return tuple(map(str, range(self.size)))

    def __call__(self, problem: Problem, text: str) -> Reward:
        """One score, or ``None``, for each text."""
        scores = call_own(self.function, problem, json.loads(text))
        return Reward(None, dict(zip(self.part_names, scores, strict=True)), Verdict(1.0, "correct"))


class OwnGroupReward:
    """The part ``config`` of the reward, computed in its own worker process. A group for which the function fails is excluded."""

    def __init__(self, config: OwnPart, group_size: int, workers: int, timeout: float) -> None:
        """Raises `ConfigError` for a function that cannot be loaded."""
        load_function(config.function)
        self.config, self.name = config, own_name(config)
        self._pool = RewardPool(GroupFunction(config.function, group_size), min(1, workers), timeout)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.close()

    def __call__(self, groups: Sequence[Group], step: int) -> list[Group]:
        """See `GroupReward`."""
        for place, group in enumerate(groups):
            if not self.config.tasks or group.prompt.problem.task in self.config.tasks:
                self._pool.submit(place, group.prompt.problem, json.dumps(self._texts(group)))
        found = self._pool.collect()
        return [self._with_scores(group, found.get(place)) for place, group in enumerate(groups)]

    def _texts(self, group: Group) -> list[str]:
        wholes = [look_at(group.prompt.prefill + rollout.completion.text) for rollout in group.rollouts]
        return [text_in(whole, SCOPES[self.config.scope]) for whole in wholes]

    def _with_scores(self, group: Group, found: Reward | None) -> Group:
        """``found`` is ``None`` if the part does not apply."""
        rewards = [rollout.reward for rollout in group.rollouts]
        if found is not None and found.verdict.score is None:
            return with_rewards(group, [with_failure(reward, self.name, found.verdict.detail) for reward in rewards])
        scores = [None] * len(rewards) if found is None else list(found.parts.values())
        return with_rewards(group, [self._with_score(*each) for each in zip(rewards, scores, strict=True)])

    def _with_score(self, reward: Reward, score: float | None) -> Reward:
        weight = self.config.weight
        return with_part(reward, self.name, score, weight * score if score is not None and weight else None)
