"""Checks of a run's reward before it starts, also for a dry run: no reward model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dunwu.config.data import GeneratorConfig, LocalGenerator, OwnGenerator
from dunwu.config.rewards import ModelPartConfig, TeacherPart
from dunwu.config.zero import ZeroConfig
from dunwu.data.generators.cost import estimate
from dunwu.data.generators.make import make_generator
from dunwu.errors import ConfigError
from dunwu.models.facts import model_facts
from dunwu.models.protocols import Tokenizer
from dunwu.rewards.compose import ComposedReward
from dunwu.rewards.make import make_reward, refuse_unknown_tasks
from dunwu.tasks.base import Task
from dunwu.tasks.make import make_task
from dunwu.tasks.mixture import Mixture
from dunwu.trainers.model_rewards import refuse_idle
from dunwu.trainers.reward_model_scoring import check_reward_model
from dunwu.trainers.teachers import asked_teachers
from dunwu.types import Problem, Prompt
from dunwu.verifiers.verify import WHOLE_TEXTS

LOOKED_AT = 1000
"""Training problems among which each model must find one to score; enough for a mixture to have its shares."""


def check_reward(config: ZeroConfig, task: Task) -> ComposedReward:
    """The reward of one rollout. Raises ``UserError`` for a part, function or task that no run can use.

    Unusable rows of ``task`` must have been dropped: each reward model must find a problem to score among the remaining ones.
    """
    reward = make_reward(config.reward, config.tripwire)
    names = [part.name for part in (task.tasks if isinstance(task, Mixture) else [task])]
    refuse_unknown_tasks(config.reward, names, lambda: [make_task(held_out.task).name for held_out in config.evaluations])
    first = _first(config, task)
    refuse_idle(config.reward, first)
    _refuse_no_answers(config, first)
    return reward


def check_parts(config: ZeroConfig) -> None:
    """Check without data: functions, names of parts, and (unloaded) models from outside the pipeline. Raises ``UserError``."""
    make_reward(config.reward, config.tripwire)
    for part in config.reward:
        if isinstance(part, ModelPartConfig) and not part.model.startswith("@"):
            check_reward_model(part.model, part.kind)
    for asked in asked_teachers(config):
        if not isinstance(asked.teacher, LocalGenerator):
            make_generator(asked.teacher)
        elif not asked.teacher.model.startswith("@"):
            model_facts(asked.teacher.model)


def teacher_facts(config: ZeroConfig, prompts: Sequence[Prompt], tokenizer: Tokenizer) -> Iterator[tuple[str, str]]:
    """What each teacher will be asked at most, with its cost if prices are given. ``prompts``: those of all rows, or first ones."""
    drawn, talks = config.grpo.steps * config.grpo.prompts_per_step, config.dialogue
    answers = {part.asks: drawn for part in config.reward if isinstance(part, TeacherPart) and part.closeness != "likelihood"}
    if talks and (replying := config.dialogue_teacher):
        chats = drawn * config.grpo.group_size * (talks.turns - 1) if talks.reply == "conversation" else 0
        answers[replying.asks] = answers.get(replying.asks, 0 if chats else drawn) + chats
    typical = max((prompt.problem.text for prompt in prompts), key=len)
    for (teacher, sampling, _), number in answers.items():
        most = number * (sampling or config.sampling).max_tokens
        cost = estimate({typical: number}, most, teacher, lambda texts: [len(tokenizer.encode(t, add_special_tokens=False)) for t in texts])
        yield "teacher", f"{_named(teacher)}, at most {number:,} answers: {cost}"


def _named(teacher: GeneratorConfig) -> str:
    return teacher.function if isinstance(teacher, OwnGenerator) else teacher.model


def _refuse_no_answers(config: ZeroConfig, problems: Sequence[Problem]) -> None:
    """Raise ``ConfigError`` for agreement with a teacher on problems whose answers are whole texts: the part would never apply."""
    for place, part in enumerate(config.reward):
        if isinstance(part, TeacherPart) and part.closeness == "answer":
            tasks = {problem.task for problem in problems if problem.verifier not in WHOLE_TEXTS}
            if not (tasks & set(part.tasks) if part.tasks else tasks):
                raise ConfigError(
                    f"reward.{place}: closeness = answer applies to none of the problems, as none has a short answer that a verifier"
                    " compares; set closeness to overlap or likelihood"
                )


def _first(config: ZeroConfig, task: Task) -> Sequence[Problem]:
    models = any(isinstance(part, ModelPartConfig | TeacherPart) for part in config.reward)
    return [task.train(index, config.seed) for index in range(LOOKED_AT if models else 0)]
