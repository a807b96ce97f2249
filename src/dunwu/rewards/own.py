"""A reward of the user's own: a function in a Python file, with TRL's signature ``f(prompts, completions, **columns) -> list``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dunwu.own_code import load_function
from dunwu.rewards.scope import Reasoning, Visible, Whole
from dunwu.types import Problem


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """``function`` (``path/to/file.py:name``) as the score of a part.

    It is called once per rollout, with lists of one, so that a slow or failing rollout costs only itself: a reward that compares the
    completions of a batch with each other cannot be written this way. ``prompts`` holds the problem's text, ``completions`` what
    the part's scope allows (with the template's prefill), and each column arrives as a list of one: the problem's data and ``id``,
    ``task``, ``answer``, ``language``; only those the function names, unless it takes ``**columns``.
    """

    function: str

    def __call__(self, problem: Problem, seen: Whole | Reasoning | Visible) -> float | None:
        """The score; ``None`` where the function says so. Raises `ValueError` for anything but one number or ``None``."""
        function = load_function(self.function)
        columns = {name: [value] for name, value in columns_of(problem).items()}
        result = as_list(function(prompts=[problem.text], completions=[seen.text], **only_named(function, columns)))
        if not isinstance(result, (list, tuple)) or len(result) != 1:
            raise ValueError(f"{self.function} gave {str(result)[:80]!r} for one completion: it must return a list of one number or None")
        return None if result[0] is None else self._number(result[0])

    def _number(self, score: Any) -> float:
        """A number of Python's, NumPy's or torch's, or a truth value; a text that holds a number is a mistake of the function."""
        plain = score.tolist() if callable(getattr(score, "tolist", None)) else score
        if not hasattr(type(plain), "__float__"):
            kind = type(plain).__name__
            raise ValueError(f"{self.function} gave {str(plain)[:80]!r}, a {kind}, for one completion: a number or None is needed")
        return float(plain)


def as_list(result: Any) -> Any:
    """A NumPy array or a tensor (anything that has ``tolist``) as a list, one without dimensions as a list of one; else ``result``."""
    if not callable(getattr(result, "tolist", None)):
        return result
    plain = result.tolist()
    return plain if isinstance(plain, list) else [plain]


def columns_of(problem: Problem) -> dict[str, Any]:
    """The problem as a row: its data, and over it ``id``, ``task``, ``answer`` and ``language``."""
    named = {"id": problem.id, "task": problem.task, "answer": problem.answer, "language": problem.language}
    return {key: value for key, value in problem.data.items() if key.isidentifier()} | named


def only_named(function: Callable[..., Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``columns`` that ``function`` takes."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(columns)
    return {name: value for name, value in columns.items() if name in parameters}
