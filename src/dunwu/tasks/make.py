"""From configurations to tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from dunwu.config.tasks import (
    ArithmeticTask,
    ChatTask,
    CodeTask,
    CountdownTask,
    DatasetTask,
    EnvironmentTask,
    Game24Task,
    ReasoningGymTask,
    TaskConfig,
    WeightedTask,
)
from dunwu.tasks.arithmetic import Arithmetic
from dunwu.tasks.base import Task
from dunwu.tasks.chat import Chat
from dunwu.tasks.code import Code
from dunwu.tasks.countdown import Countdown
from dunwu.tasks.dataset import Dataset
from dunwu.tasks.environment import Environment
from dunwu.tasks.game24 import Game24
from dunwu.tasks.mixture import Mixture
from dunwu.tasks.reasoning_gym import ReasoningGym


def make_task(config: TaskConfig) -> Task:
    """The task that ``config`` describes. Raises UserError if it cannot be made."""
    match config:
        case CountdownTask():
            return Countdown(config)
        case Game24Task():
            return Game24(config)
        case ArithmeticTask():
            return Arithmetic(config)
        case DatasetTask():
            return Dataset(config)
        case ReasoningGymTask():
            return ReasoningGym(config)
        case CodeTask():
            return Code(config)
        case EnvironmentTask():
            return Environment(config)
        case ChatTask():
            return Chat(config)
        case _:
            assert_never(config)


def make_mixture(sources: Sequence[WeightedTask]) -> Task:
    """The weighted mixture of ``sources``; a single source is returned as its own task."""
    if len(sources) == 1:
        return make_task(sources[0].task)
    return Mixture([(make_task(source.task), source.weight) for source in sources])
