"""What can be refused before a run directory is made: mistakes of the user that would otherwise show minutes later."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from dunwu.algorithms.recipes import algorithm_named
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import make_prompts
from dunwu.errors import ConfigError, DataError
from dunwu.sandbox.open import VARIABLE, open_sandbox
from dunwu.tasks.base import Task
from dunwu.tasks.code_tests import CodeTests
from dunwu.tasks.make import make_task
from dunwu.types import Problem
from dunwu.verifiers.math import check_gold

MOST_CHECKED = 20_000
"""Training problems whose prompts are made beforehand; a second of work."""


def check_run(config: ZeroConfig, task: Task, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ``UserError`` for an algorithm, a sampling, a split into mini-batches, data or prompts with which a run cannot be done."""
    grpo = config.grpo
    algorithm_named(grpo.algorithm)
    if config.sampling.temperature == 0:
        raise ConfigError("sampling.temperature = 0.0: a greedy policy explores nothing; set it above 0, such as 1.0")
    rollouts = grpo.prompts_per_step * grpo.group_size
    if grpo.minibatches > rollouts:
        raise ConfigError(f"grpo.minibatches = {grpo.minibatches}: a step has {rollouts} rollouts to divide; set it to {rollouts} at most")
    problems = [task.train(index, config.seed) for index in range(min(MOST_CHECKED, grpo.steps * grpo.prompts_per_step))]
    check_golds(problems)
    refuse_slow_programs(problems, config)
    _check_prompts(problems, config, "sampling.max_tokens", config.sampling.max_tokens, model, tokenizer)
    for place, held_out in enumerate(config.evaluations):
        problems = make_task(held_out.task).held_out(held_out.split, held_out.problems, held_out.seed)
        check_golds(problems)
        refuse_slow_programs(problems, config)
        key = f"evaluations.{place}.sampling.max_tokens"
        _check_prompts(problems, config, key, held_out.sampling.max_tokens, model, tokenizer)


def check_golds(problems: Iterable[Problem]) -> None:
    """Raise ``DataError`` for the first gold answer that nothing could be verified against: it would be an error in every reward."""
    for problem in problems:
        told = check_gold(problem.answer or "") if problem.verifier == "math" else None
        if told:
            where = f"row {problem.data['row']} of {problem.data['source']}" if "row" in problem.data else problem.id
            raise DataError(f"{where}: {told}: mend the answer or remove the row")


def longest_program(problems: Iterable[Problem]) -> float:
    """Seconds that the tests of a program among ``problems`` may take; 0 without code problems."""
    return max((CodeTests.from_data(problem.data).limits.total_seconds for problem in problems if problem.verifier == "code"), default=0.0)


def refuse_slow_programs(problems: Iterable[Problem], config: ZeroConfig) -> None:
    """There must be a sandbox, and a program that sleeps must run out of its own time before the reward does: wrong, not excluded."""
    longest = longest_program(problems)
    if longest:
        open_sandbox(os.environ.get(VARIABLE, "auto"), workers=1).close()  # refuses where programs could not be locked in
    if longest >= config.reward_timeout:
        raise ConfigError(
            f"reward_timeout = {config.reward_timeout:g}: a program of these tasks may take {longest:g} s;"
            f" set it to more, such as {longest + 5:g}"
        )


def _check_prompts(
    problems: Sequence[Problem], config: ZeroConfig, key: str, max_tokens: int, model: Any, tokenizer: PreTrainedTokenizerBase
) -> None:
    prompts = make_prompts(problems, config.template, tokenizer, config.max_prompt_tokens)
    longest = max(prompts, key=lambda prompt: len(prompt.token_ids))
    positions, length = model.config.max_position_embeddings, len(longest.token_ids)
    if length >= positions:
        raise DataError(f"the prompt of {longest.problem.id} has {length} tokens, and the model {positions} positions: drop the problem")
    if length + max_tokens > positions:
        raise ConfigError(
            f"{key} = {max_tokens}: with the {length} tokens of the prompt of {longest.problem.id} that is more than"
            f" the model's {positions} positions; set it to {positions - length} at most"
        )
