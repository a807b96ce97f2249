"""Outside files named in a configuration: inputs of a stage that no other stage made. Imports no torch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dunwu.config.base import Config
from dunwu.config.references import SUFFIXES, Kind, references
from dunwu.models.bundled import BUNDLED_NAME, bundled_path, newest_checkpoint

_LOCAL = re.compile(r"(/|\./|\.\./|~).*|.*(" + "|".join(map(re.escape, SUFFIXES)) + ")")
_CODE = re.compile(r"(.+\.py):(\w+)")


@dataclass(frozen=True, slots=True)
class OutsideFile:
    """A file or folder, and the function in it if one is named."""

    path: Path
    function: str | None = None


def outside_files(work: Config) -> dict[str, OutsideFile]:
    """The existing files and folders that ``work`` names, by dotted key: models, data, files with custom functions.

    Hub ids and names such as ``gsm8k`` are not paths and not included: a data set that changes under the same name is not noticed.
    """
    return {key: found for key, text, kind in references(work) if (found := _file(text, kind)) is not None}


def missing_file(work: Config) -> tuple[str, str] | None:
    """The first dotted key and its value that name a local file or folder that does not exist."""
    return next(((key, text) for key, text, kind in references(work) if _is_local(text, kind) and _file(text, kind) is None), None)


def model_folder(model: str) -> Path | None:
    """The local folder of a model, ``None`` for a hub id."""
    folder = bundled_path() if model == BUNDLED_NAME else newest_checkpoint(Path(model).expanduser())
    return folder if folder.is_dir() else None


def _is_local(text: str, kind: Kind) -> bool:
    """True if the text can only be a local path: ``owner/name`` may be a hub id."""
    return (_CODE if kind == "code" else _LOCAL).fullmatch(text) is not None


def _file(text: str, kind: Kind) -> OutsideFile | None:
    if kind == "model" and text == BUNDLED_NAME:
        return OutsideFile(bundled_path())
    own = _CODE.fullmatch(text) if kind == "code" else None
    name, function = (own[1], own[2]) if own else (text, None)
    path = Path(os.path.expanduser(name))  # keeps "~name" if there is no such user: then there is no such file
    exists = path.is_file() if function else kind != "code" and path.exists()
    return OutsideFile(path, function) if exists else None
