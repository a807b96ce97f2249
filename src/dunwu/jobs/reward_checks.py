"""What can be refused of a run's reward before it begins: by the run, and by a dry run, which loads no reward model."""

from __future__ import annotations

from collections.abc import Sequence

from dunwu.config.rewards import ModelPartConfig
from dunwu.config.zero import ZeroConfig
from dunwu.rewards.compose import ComposedReward
from dunwu.rewards.make import make_reward, refuse_unknown_tasks
from dunwu.tasks.base import Task
from dunwu.tasks.make import make_task
from dunwu.tasks.mixture import Mixture
from dunwu.trainers.model_rewards import refuse_idle
from dunwu.trainers.reward_model_scoring import check_reward_model
from dunwu.types import Problem

LOOKED_AT = 1000
"""Training problems among which each reward model must find one to score; within so many a mixture has its shares."""


def check_reward(config: ZeroConfig, task: Task) -> ComposedReward:
    """The reward of one rollout. Raises ``UserError`` for a part, function or task with which no run can be done.

    Takes the ``task`` with its unusable rows dropped already: a reward model must find a problem to score among those that remain.
    """
    reward = make_reward(config.reward, config.tripwire)
    names = [part.name for part in (task.tasks if isinstance(task, Mixture) else [task])]
    refuse_unknown_tasks(config.reward, names, lambda: [make_task(held_out.task).name for held_out in config.evaluations])
    refuse_idle(config.reward, _first(config, task))
    return reward


def check_parts(config: ZeroConfig) -> None:
    """What needs no data: functions, names of parts, and the reward models that no other stage makes, unloaded. Raises ``UserError``."""
    make_reward(config.reward, config.tripwire)
    for part in config.reward:
        if isinstance(part, ModelPartConfig) and not part.model.startswith("@"):
            check_reward_model(part.model, part.kind)


def _first(config: ZeroConfig, task: Task) -> Sequence[Problem]:
    models = any(isinstance(part, ModelPartConfig) for part in config.reward)
    return [task.train(index, config.seed) for index in range(LOOKED_AT if models else 0)]
