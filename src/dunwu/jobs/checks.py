"""Checks before a run directory is made, for mistakes of the user that would otherwise show minutes later."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dunwu.algorithms.recipes import algorithm_named
from dunwu.config.template import Template
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.data.prompts import PromptLimit, make_prompts
from dunwu.data.usable import drops, held_out_problems, matched_as_text, sift, where
from dunwu.errors import ConfigError, DataError
from dunwu.jobs.headline import dropped_facts
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.sandbox.open import VARIABLE, open_sandbox
from dunwu.tasks.base import Finite, Task
from dunwu.tasks.chat import Chat
from dunwu.tasks.code_tests import program_seconds
from dunwu.tasks.environment import Environment
from dunwu.tasks.make import make_task
from dunwu.tasks.mixture import Mixture
from dunwu.types import Problem, Prompt

MOST_CHECKED = 2_000
"""Problems of generated tasks whose prompts are checked in advance; a longer one that comes up later is replaced by another problem."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Findings about the data of a run: the number of training ``rows``, and how many were ``dropped`` (also for evaluation), by kind."""

    rows: int
    dropped: dict[str, int]
    prompts: tuple[Prompt, ...]
    """Prompts of all training rows, or of the first problems of generated tasks."""
    as_text: tuple[Problem, ...]
    """Training problems whose gold only an identical text matches."""
    splits: tuple[str, ...] = ()
    """Rows by split of each data set, in words."""
    warnings: tuple[str, ...] = ()
    """What the user should look at in the data."""

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        as_text = {"golds compared as text": len(self.as_text)} if self.as_text else {}
        return {"rows": self.rows, "dropped": self.dropped, **as_text}

    def remarks(self) -> Iterator[tuple[str, str]]:
        """What the user should know about the data before training starts."""
        yield from (("rows", text) for text in self.splits)
        yield from dropped_facts(self.dropped)
        if self.as_text:
            first = self.as_text[0]
            text = f"{len(self.as_text):,} are outside the grammar and compared as text"
            yield "golds", f"{text}; the first, {where(first)}: {str(first.answer)[:60]!r}"


def with_rows(config: ZeroConfig, task: Task) -> tuple[ZeroConfig, list[str]]:
    """The configuration without the eval sets that follow a data set without test rows, and a line about each such set.

    Sets that the user has named stay, and are refused later.
    """
    if "evaluations" in config.model_fields_set:
        return config, []
    parts = zip(task.tasks if isinstance(task, Mixture) else [task], config.tasks, strict=True)
    empty = {weighted.task: part.name for part, weighted in parts if _without_test(part)}
    measured = tuple(each for each in config.evaluations if each.task not in empty)
    lines = [f"{name} has no test rows, so it is not measured: add rows, or name a file test" for name in empty.values()]
    return config.model_copy(update={"evaluations": measured}), lines


def problems_in(evaluation: EvalConfig) -> int:
    """The problems that an evaluation measures: those that it asks for, or all of its split if there are fewer."""
    task = make_task(evaluation.task)
    return min(evaluation.problems, len(task.rows(evaluation.split))) if isinstance(task, Finite) else evaluation.problems


def _without_test(task: Task) -> bool:
    return isinstance(task, Finite) and not isinstance(task, Chat | Environment) and not task.rows("test")


def check_run(config: ZeroConfig, task: Task, model: CausalLM, tokenizer: Tokenizer) -> Checked:
    """Raise ``UserError`` for an algorithm, sampling, mini-batch split, data or prompts that no run can use.

    Removes unusable rows from ``task`` if its configuration drops them.
    """
    grpo = config.grpo
    algorithm_named(grpo.algorithm)
    rollouts = grpo.prompts_per_step * grpo.group_size
    if grpo.minibatches > rollouts:
        raise ConfigError(f"grpo.minibatches = {grpo.minibatches}: a step has {rollouts} rollouts to divide; set it to {rollouts} at most")
    return check_data(config, task, model.config.max_position_embeddings, tokenizer)


def check_data(config: ZeroConfig, task: Task, positions: int, tokenizer: Tokenizer) -> Checked:
    """The part of `check_run` that reads data; ``positions`` is the model's context length."""
    limit, dropped, rows = PromptLimit(config.template, tokenizer, config.max_prompt_tokens), Counter[str](), list[Problem]()
    parts = task.tasks if isinstance(task, Mixture) else [task]
    for part, weighted in zip(parts, config.tasks, strict=True):
        # If rows are dropped, so are those that leave no room for a completion among the model's positions.
        room = positions - config.completion_tokens if drops(weighted.task) else config.max_prompt_tokens
        dropped.update(sift(part, weighted.task, "train", replace(limit, tokens=min(limit.tokens, room))))
        rows += part.rows("train") if isinstance(part, Finite) else _first(part, config)
    check_sandbox(rows)
    prompts = _within(rows, limit)
    check_room(prompts, "sampling.max_tokens", config.sampling.max_tokens, positions, config.template)
    _check_dialogue(prompts, config, positions)
    for place, held_out in enumerate(config.evaluations):
        chosen = held_out_problems(held_out, limit)
        dropped.update({f"{kind} (evaluations.{place})": count for kind, count in chosen.dropped.items()})
        check_sandbox(chosen.problems)
        evaluated = make_prompts(chosen.problems, config.template, tokenizer, config.max_prompt_tokens)
        check_room(evaluated, f"evaluations.{place}.sampling.max_tokens", held_out.sampling.max_tokens, positions, config.template)
    finite = [part for part in parts if isinstance(part, Finite)]
    splits = tuple(part.splits for part in finite if part.splits)
    warnings = tuple(warning for part in finite for warning in part.warnings)
    return Checked(len(rows), dict(dropped), tuple(prompts), tuple(matched_as_text(rows)), splits, warnings)


def _first(task: Task, config: ZeroConfig) -> list[Problem]:
    number = min(MOST_CHECKED, config.grpo.steps * config.grpo.prompts_per_step)
    return [task.train(index, config.seed) for index in range(number)]


def check_sandbox(problems: Iterable[Problem]) -> None:
    """Raise ``UserError`` if there are programs to run and no sandbox for them."""
    if any(map(program_seconds, problems)):
        open_sandbox(os.environ.get(VARIABLE, "auto"), workers=1).close()


def _within(problems: Sequence[Problem], limit: PromptLimit) -> list[Prompt]:
    """The prompts within the limit. Those of generated tasks may exceed it; if all do, raises ``ConfigError``."""
    made = limit.prompts(problems)
    prompts = [prompt for prompt in made if len(prompt.token_ids) <= limit.tokens]
    if not prompts:
        shortest = min(len(prompt.token_ids) for prompt in made)
        raise ConfigError(f"max_prompt_tokens = {limit.tokens}: the shortest prompt has {shortest} tokens; set it to more")
    return prompts


def _check_dialogue(prompts: Sequence[Prompt], config: ZeroConfig, positions: int) -> None:
    """Raise ``ConfigError`` if the last answer of a dialogue may not fit the model's positions."""
    length = max(len(prompt.token_ids) for prompt in prompts)
    tokens = length + config.completion_tokens
    if config.dialogue and tokens > positions:
        most = config.sampling.max_tokens - -(-(tokens - positions) // config.dialogue.turns)
        raise ConfigError(
            f"dialogue.turns = {config.dialogue.turns}: a prompt, the answers and the replies have up to {tokens} tokens, and the model has"
            f" {positions} positions; set sampling.max_tokens to {most} at most, or lower dialogue.max_tokens"
        )


def check_room(prompts: Sequence[Prompt], key: str, max_tokens: int, positions: int, template: Template) -> None:
    """Raise ``UserError`` for a prompt that leaves no room for the completion among the model's positions."""
    longest = max(prompts, key=lambda prompt: len(prompt.token_ids))
    length = len(longest.token_ids)
    if length >= positions:
        remedy = "take fewer examples, or drop the problem" if getattr(template, "few_shot", ()) else "drop the problem"
        raise DataError(f"the prompt of {longest.problem.id} has {length} tokens, and the model {positions} positions: {remedy}")
    if length + max_tokens > positions:
        raise ConfigError(
            f"{key} = {max_tokens}: with the {length} tokens of the prompt of {longest.problem.id} that is more than"
            f" the model's {positions} positions; set it to {positions - length} at most"
        )
