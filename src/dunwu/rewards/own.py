"""A reward of the user's own: a function in a Python file, with TRL's signature ``f(prompts, completions, **columns) -> list``."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from dunwu.errors import ConfigError
from dunwu.rewards.scope import Reasoning, Visible, Whole
from dunwu.types import Problem
from dunwu.verifiers.attempt import attempt


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
        result = function(prompts=[problem.text], completions=[seen.text], **only_named(function, columns))
        if not isinstance(result, (list, tuple)) or len(result) != 1:
            raise ValueError(f"{self.function} gave {str(result)[:80]!r} for one completion: it must return a list of one number or None")
        return None if result[0] is None else float(result[0])


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


@lru_cache(maxsize=64)
def load_function(function: str) -> Callable[..., Any]:
    """The function that ``path/to/file.py:name`` means; the file is run once per process. Raises `ConfigError` with the remedy."""
    path, _, name = function.rpartition(":")
    file = Path(path).expanduser()
    if not path.endswith(".py") or not name.isidentifier():
        raise ConfigError(f"{function!r} is not a function in a Python file: write path/to/file.py:function")
    if not file.is_file():
        raise ConfigError(f"{function!r}: there is no file {path}: give its path, absolute or from the folder you are in")
    spec = importlib.util.spec_from_file_location(f"dunwu_own_{file.stem}", file.resolve())
    assert spec is not None
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    attempt(partial(spec.loader.exec_module, module), partial(_refuse, function, path))
    found = getattr(module, name, None)
    if not callable(found):
        close = ", ".join(key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__)
        raise ConfigError(f"{function!r}: {path} has no function {name}; it has {close or 'none'}")
    return found  # type: ignore[no-any-return]


def _refuse(function: str, path: str, message: str) -> None:
    raise ConfigError(f"{function!r}: the file cannot be run ({message}): try it with python {path}")
