"""Output paths, checked before any work: a path that cannot be written is refused."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from dunwu.errors import RunError

_LONGEST = 255
"""Bytes of a name on common file systems."""


def check_folder(path: Path, what: str = "a run directory") -> None:
    """Raise ``RunError`` unless ``path`` is a folder that can be written to, or one can be made there."""
    present = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    long = any(len(os.fsencode(name)) > _LONGEST for name in path.parts)
    if reason := os.strerror(errno.ENAMETOOLONG) if long else _refusal(present):
        below = "" if long or present == path else f": {present}"
        raise RunError(f"{path} cannot be {what}{below} ({reason}): choose another --out")


def check_file(path: Path) -> None:
    """Raise ``RunError`` unless a file can be written at ``path``."""
    if os.path.isdir(path):  # unlike pathlib, does not raise for a name that is too long
        raise RunError(f"{path} is a folder: give --out the name of a file")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise RunError(f"{path} cannot be written ({os.strerror(errno.EACCES)}): choose another --out")
    check_folder(path.parent, "a folder to write in")


def _refusal(present: Path) -> str:
    """Why nothing can be written in ``present``; empty if something can."""
    if not present.is_dir():
        return os.strerror(errno.ENOTDIR)
    try:  # permissions alone do not tell: root may write everywhere, and yet nothing can be made in /proc
        with tempfile.TemporaryFile(dir=present):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__
