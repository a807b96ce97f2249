"""Files from outside that a configuration names: inputs of a stage although no other stage made them. Imports no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunwu.config.base import Config
from dunwu.models.bundled import BUNDLED_NAME, bundled_path, newest_checkpoint

FILE_KEYS = ("model", "path", "files", "data", "validation")
"""Names of configuration keys whose text may be a path; values of the type `Path` are paths under any name."""
_LOCAL = re.compile(r"(/|\./|\.\./|~).*|.*\.(jsonl|jsonl\.gz|parquet)")
_OWN_FUNCTION = re.compile(r"(.+\.py):(\w+)")


@dataclass(frozen=True, slots=True)
class OutsideFile:
    """A file or folder, and the function in it where one is meant."""

    path: Path
    function: str | None = None


def outside_files(work: Config) -> dict[str, OutsideFile]:
    """The existing files and folders that ``work`` names, by dotted key: models, data, files with functions of the user's own.

    A hub id or a name such as ``gsm8k`` is no path and is not looked at: a data set that changes behind its name is not noticed.
    """
    return {key: found for key, value in _leaves(work, "") if (found := _file(key, value)) is not None}


def missing_file(work: Config) -> tuple[str, str] | None:
    """The first dotted key, with its value, that names a local file or folder which is not there."""
    return next(((key, str(value)) for key, value in _leaves(work, "") if _is_local(key, value) and _file(key, value) is None), None)


def model_folder(model: str) -> Path | None:
    """The local folder of a model, ``None`` for a hub id."""
    folder = bundled_path() if model == BUNDLED_NAME else newest_checkpoint(Path(model).expanduser())
    return folder if folder.is_dir() else None


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str | Path]]:
    """The texts and paths below ``value``."""
    if isinstance(value, Config):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, tuple | list):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, str | Path):
        yield key, value


def _is_local(key: str, value: str | Path) -> bool:
    """Whether the value can only be a path of this machine: ``owner/name`` may be a hub id."""
    if isinstance(value, Path) or _OWN_FUNCTION.fullmatch(value):
        return True
    return _may_be_file(key) and _LOCAL.fullmatch(value) is not None


def _may_be_file(key: str) -> bool:
    return any(part in FILE_KEYS for part in key.split("."))


def _file(key: str, value: str | Path) -> OutsideFile | None:
    if isinstance(value, str):
        if own := _OWN_FUNCTION.fullmatch(value):
            path = Path(os.path.expanduser(own[1]))
            return OutsideFile(path, own[2]) if path.is_file() else None
        if not _may_be_file(key):
            return None
        if value == BUNDLED_NAME:
            return OutsideFile(bundled_path())
    path = Path(os.path.expanduser(value))  # leaves the home of a user who is not there as it is: no such file
    return OutsideFile(path) if path.exists() else None
