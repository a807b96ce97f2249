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
from dunwu.tasks.base import Finite, Task
from dunwu.tasks.chat import Chat
from dunwu.tasks.code import Code
from dunwu.tasks.countdown import Countdown
from dunwu.tasks.dataset import Dataset
from dunwu.tasks.environment import Environment
from dunwu.tasks.game24 import Game24
from dunwu.tasks.mixture import Mixture
from dunwu.tasks.reasoning_gym import ReasoningGym
from dunwu.text.answer_forms import DEFAULT
from dunwu.types import AnswerForm


def make_task(config: TaskConfig, answer_form: AnswerForm = DEFAULT) -> Task:
    """The task that ``config`` describes, with its answers in this form. Raises UserError if it cannot be made."""
    task = _make(config, answer_form)
    if answer_form != DEFAULT and isinstance(task, Finite):
        task.set_answer_form(answer_form)
    return task


def _make(config: TaskConfig, answer_form: AnswerForm) -> Task:
    match config:
        case CountdownTask():
            return Countdown(config, answer_form)
        case Game24Task():
            return Game24(config, answer_form)
        case ArithmeticTask():
            return Arithmetic(config, answer_form)
        case DatasetTask():
            return Dataset(config)
        case ReasoningGymTask():
            return ReasoningGym(config, answer_form)
        case CodeTask():
            return Code(config)
        case EnvironmentTask():
            return Environment(config)
        case ChatTask():
            return Chat(config)
        case _:
            assert_never(config)


def make_mixture(sources: Sequence[WeightedTask], answer_form: AnswerForm = DEFAULT) -> Task:
    """The weighted mixture of ``sources``; a single source is returned as its own task."""
    if len(sources) == 1:
        return make_task(sources[0].task, answer_form)
    return Mixture([(make_task(source.task, answer_form), source.weight) for source in sources])
