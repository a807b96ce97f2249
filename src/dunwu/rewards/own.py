"""Custom rewards: a function in a Python file, with TRL's signature ``f(prompts, completions, **columns) -> list``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dunwu.process.own_code import load_function
from dunwu.rewards.scope import Reasoning, Visible, Whole
from dunwu.types import Problem


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """``function`` (``path/to/file.py:name``) as the score of a part: called once per rollout, with lists of one."""

    function: str

    def __call__(self, problem: Problem, seen: Whole | Reasoning | Visible) -> float | None:
        """The score, or ``None`` if the function returns it. Raises `ValueError` for anything but one number or ``None``."""
        return call_own(self.function, problem, [seen.text])[0]


def call_own(name: str, problem: Problem, completions: Sequence[str]) -> list[float | None]:
    """A score, or ``None``, for each of the completions of one problem.

    ``prompts`` repeats the problem's text for each completion; ``completions`` has the texts that the part's scope allows (with the
    template's prefill). Each column is a list of the same length: the problem's data and ``id``, ``task``, ``answer``, ``language``, only
    those that the function names unless it takes ``**columns``. Raises `ValueError` unless it returns as many numbers or ``None``.
    """
    function, count = load_function(name), len(completions)
    columns = {column: [value] * count for column, value in columns_of(problem).items()}
    given = {"prompts": [problem.text] * count, "completions": list(completions)}
    result = as_list(function(**only_named(function, columns) | given))  # data columns with these names are not passed
    if not isinstance(result, (list, tuple)) or len(result) != count:
        wanted = "one number or None" if count == 1 else f"{count} numbers or None"
        received = "one completion" if count == 1 else f"{count} completions"
        raise ValueError(f"{name} returned {str(result)[:80]!r} for {received}: it must return a list of {wanted}")
    return [None if score is None else _number(name, score) for score in result]


def _number(name: str, score: Any) -> float:
    """A number of Python, NumPy or torch, or a bool; a string is an error, even if it contains a number."""
    plain = score.tolist() if callable(getattr(score, "tolist", None)) else score
    if not hasattr(type(plain), "__float__"):
        raise ValueError(f"{name} returned {str(plain)[:80]!r}, a {type(plain).__name__}, for one completion, not a number or None")
    return float(plain)


def as_list(result: Any) -> Any:
    """A NumPy array or tensor (anything with ``tolist``) as a list, a scalar one as a list of one; anything else unchanged."""
    if not callable(getattr(result, "tolist", None)):
        return result
    plain = result.tolist()
    return plain if isinstance(plain, list) else [plain]


def columns_of(problem: Problem) -> dict[str, Any]:
    """The problem as a row: its data, overridden by ``id``, ``task``, ``answer`` and ``language``."""
    named = {"id": problem.id, "task": problem.task, "answer": problem.answer, "language": problem.language}
    return {key: value for key, value in problem.data.items() if key.isidentifier()} | named


def only_named(function: Callable[..., Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``columns`` that ``function`` takes by name; ``*args`` does not count as one called ``args``."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(columns)
    named = {parameter.name for parameter in parameters if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)}
    return {name: value for name, value in columns.items() if name in named}
