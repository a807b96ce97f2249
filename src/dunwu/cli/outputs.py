"""Output paths, checked before any work: a path that cannot be written is refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from dunwu.errors import RunError


def check_folder(path: Path, what: str = "a run directory") -> None:
    """Raise ``RunError`` unless ``path`` is a folder that can be written to, or one can be made there."""
    present = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if reason := _refusal(present):
        below = "" if present == path else f": {present}"
        raise RunError(f"{path} cannot be {what}{below} ({reason}): choose another --out")


def check_file(path: Path) -> None:
    """Raise ``RunError`` unless a file can be written at ``path``."""
    if path.is_dir():
        raise RunError(f"{path} is a folder: give --out the name of a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise RunError(f"{path} cannot be written ({os.strerror(errno.EACCES)}): choose another --out")
    check_folder(path.parent, "a folder to write in")


def _refusal(present: Path) -> str:
    """Why nothing can be written in ``present``; empty if something can."""
    if not present.is_dir():
        return os.strerror(errno.ENOTDIR)
    return "" if os.access(present, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
