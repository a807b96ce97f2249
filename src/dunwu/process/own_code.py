"""Custom Python functions, given as ``path/to/file.py:function``: rewards, environments, stages of a pipeline."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from dunwu.errors import ConfigError
from dunwu.process.attempt import attempt


@lru_cache(maxsize=64)
def load_function(function: str) -> Callable[..., Any]:
    """The function at ``path/to/file.py:name``; the file runs once per process. Raises `ConfigError` with the remedy."""
    path, _, name = function.rpartition(":")
    file = Path(path).expanduser()
    if not path.endswith(".py") or not name.isidentifier():
        raise ConfigError(f"{function!r} is not a function in a Python file: write path/to/file.py:function")
    if not file.is_file():
        raise ConfigError(f"{function!r}: there is no file {path}: give its path, absolute or relative to the current folder")
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


def call_function(function: str) -> Any:
    """Call a function without arguments, such as one that makes an environment. Raises `ConfigError` if it cannot be loaded or fails."""

    def refuse(message: str) -> None:
        raise ConfigError(f"{function!r} fails ({message}): fix it")

    return attempt(load_function(function), refuse)


def _refuse(function: str, path: str, message: str) -> None:
    raise ConfigError(f"{function!r}: the file cannot be run ({message}): try it with python {path}")
