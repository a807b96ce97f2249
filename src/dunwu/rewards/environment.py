"""Environments in the style of the `verifiers` library: a Python file whose ``load_environment()`` returns rows and a rubric.

The library need not be installed: ``environment.rubric`` has ``funcs`` and ``weights`` (or ``rubrics`` that have
them), and a function takes those that it names of ``prompt``, ``completion`` (lists of messages), ``answer``, ``info``, ``task``,
``state``, ``parser`` and the objects of the rubric; it may be a coroutine. Not supported: turns, tools, functions that score groups.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dunwu.errors import ConfigError
from dunwu.process.own_code import call_function
from dunwu.process.run_async import run_async
from dunwu.rewards.own import only_named
from dunwu.rewards.scope import Whole
from dunwu.types import Problem

_GROUP_ARGUMENTS = {"prompts", "completions", "answers", "states", "tasks", "infos"}


@dataclass(frozen=True, slots=True)
class EnvironmentScore:
    """The weighted sum of the rubric's functions (``function`` is ``path/to/file.py:load_environment``); one that raises fails the part."""

    function: str

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """The score of prefill + completion as the assistant's one message."""
        row = problem.data
        completion = [{"role": "assistant", "content": whole.text}]
        prompt = row.get("prompt") or [{"role": "user", "content": problem.text}]
        seen = {
            "prompt": prompt,
            "completion": completion,
            "answer": problem.answer or "",
            "info": row.get("info") or {},
            "task": problem.task,
        }
        total = 0.0
        for function, weight, objects in _functions(load_environment(self.function).rubric):
            if weight:
                total += weight * float(_value(function, {**objects, **seen, "state": dict(seen)}))
        return total


@lru_cache(maxsize=16)
def load_environment(function: str) -> Any:
    """The environment, created once per process. Raises `ConfigError` if its rubric is not supported."""
    environment = call_function(function)
    if not hasattr(environment, "rubric"):
        raise ConfigError(f"{function!r} returns a {type(environment).__name__} without a rubric: return an environment of `verifiers`")
    for each, _, _ in _functions(environment.rubric):
        if group := _GROUP_ARGUMENTS & inspect.signature(each).parameters.keys():
            raise ConfigError(
                f"{function!r}: {each.__name__} takes {', '.join(sorted(group))}, a whole group: score one completion at a time"
            )
    return environment


def _functions(rubric: Any) -> Iterator[tuple[Callable[..., Any], float, dict[str, Any]]]:
    """Each function with its weight and the objects of its rubric."""
    for inner in getattr(rubric, "rubrics", ()):
        yield from _functions(inner)
    objects = dict(getattr(rubric, "class_objects", {}))
    for function, weight in zip(getattr(rubric, "funcs", ()), getattr(rubric, "weights", ()), strict=True):
        yield function, weight, objects


def _value(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    result = function(**only_named(function, arguments))
    return run_async(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result
