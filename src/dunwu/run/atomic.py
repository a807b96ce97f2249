"""Atomic writes of files and folders; only files that are provably ours are deleted. Imports no torch.

New content is written to a folder ``NAME.xxxxxxxx.tmp`` beside its target, together with an empty marker file ``.dunwu-writing``, and
renamed once it is complete and on disk. Content that is replaced or deleted is first moved into such a folder with the marker
``.dunwu-removing``. A killed process leaves these folders behind, and only folders with a marker are deleted later: a user's
``step-000009.tmp`` stays, and so does a folder whose process was killed before it wrote the marker.

If a user's file has the name of a new one, it is moved to ``NAME.old``.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError

from dunwu.errors import RunError
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import own_paths

WRITING, REMOVING = ".dunwu-writing", ".dunwu-removing"
_TEMPORARY = re.compile(r"(?P<name>.+)\.[a-z0-9_]{8}\.tmp")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing; it is replaced atomically and synced to disk."""
    with clear_disk_full(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path, WRITING) as folder:
            with (folder / path.name).open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(folder / path.name, path)
            fsync_path(path.parent)


@contextmanager
def atomic_folder(path: Path, reporter: Reporter = QUIET) -> Iterator[Path]:
    """An empty folder to fill, which then becomes ``path`` atomically and synced to disk.

    Files of an earlier ``path`` that are not ours stay: in the new folder, or in ``NAME.old`` if a new file has their name.
    Raises ``RunError`` if the disk is full.
    """
    with clear_disk_full(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path, WRITING) as folder:
            made = folder / path.name
            made.mkdir()
            yield made
            for inner in [*made.rglob("*"), made]:
                if not inner.is_symlink():
                    fsync_path(inner)
            with _temporary(path, REMOVING, reporter) as old:
                if os.path.lexists(path):
                    os.rename(path, old / path.name)
                os.rename(made, path)
                fsync_path(path.parent)


def remove_step(path: Path, reporter: Reporter = QUIET) -> None:
    """Delete our files of a step's folder. If killed midway, nothing that looks like a step remains."""
    with _temporary(path, REMOVING, reporter) as folder:
        os.rename(path, folder / path.name)


def remove_leftovers(folder: Path, reporter: Reporter = QUIET) -> None:
    """Delete what a killed process was writing or removing in ``folder``; warn of each ``step-*.tmp`` that stays because it is not ours.

    Only for the holder of the run's lock: a live trainer's save looks the same.
    """
    for path in sorted(folder.glob("*.tmp")):
        if is_temporary(path) and (mark := _mark(path)):
            _clear(path, mark, reporter)
        elif path.name.startswith("step-"):
            reporter.warn(f"{path} stays: no marker shows that Dunwu wrote it; delete it if you do not need it")


def is_temporary(path: Path) -> bool:
    """True if ``path`` is a folder that a killed process was writing in: marked, or still empty."""
    if _TEMPORARY.fullmatch(path.name) is None or not _is_folder(path):
        return False
    return bool(_mark(path)) or not any(path.iterdir())


def unfinished(path: Path) -> list[Path]:
    """Folders beside ``path`` that a killed process, or one that still runs, was writing for it."""
    found = (each for each in path.parent.glob("*.tmp") if (match := _TEMPORARY.fullmatch(each.name)) and match["name"] == path.name)
    return sorted(each for each in found if is_temporary(each))


def set_aside(path: Path, reporter: Reporter = QUIET) -> Path:
    """Rename a file or folder that is in the way to ``NAME.old``, or the next free name, and warn. Returns the new path."""
    kept = _free_name(path)
    _keep(path, kept, reporter)
    return kept


@contextmanager
def clear_disk_full(path: Path) -> Iterator[None]:
    """Turn "no space left" (also from safetensors) into one ``RunError`` that names ``path``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = error.errno if isinstance(error, OSError) else None
        # safetensors writes files from Rust and has the error number only in its text
        if number in _DISK_FULL or any(f"os error {code})" in str(error) for code in _DISK_FULL):
            raise RunError(f"disk full while writing {path}: free space, then resume (the last valid checkpoint is safe)") from error
        raise


def check_room(path: Path, needed: int) -> None:
    """Raise ``RunError`` if the disk of a new file or folder has no room for ``needed`` bytes."""
    present = next(each for each in path.absolute().parents if each.exists())
    if needed > (free := shutil.disk_usage(present).free):
        raise RunError(f"{path} takes about {needed >> 20:,} MiB and the disk has {free >> 20:,}: free space or choose another disk")


def fsync_path(path: Path) -> None:
    """Sync a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(final: Path, mark: str, reporter: Reporter = QUIET) -> Iterator[Path]:
    """A new marked folder beside ``final``, cleared at the end, also after an error."""
    folder = Path(tempfile.mkdtemp(prefix=f"{final.name}.", suffix=".tmp", dir=final.parent))
    try:
        # Not synced: if a power cut loses the mark, the folder stays, which is the safe side.
        (folder / mark).touch()
        yield folder
    finally:
        _clear(folder, mark, reporter)


def _mark(folder: Path) -> str:
    return next((mark for mark in (WRITING, REMOVING) if (folder / mark).is_file()), "")


def _clear(folder: Path, mark: str, reporter: Reporter) -> None:
    """Delete a marked folder, its mark last, so that another kill leaves it marked."""
    for inner in [path for path in folder.iterdir() if path.name != mark]:
        if mark == REMOVING:
            _remove_ours(inner, folder.with_name(inner.name), reporter)
        elif _is_folder(inner):
            shutil.rmtree(inner)
        else:
            inner.unlink()
    (folder / mark).unlink(missing_ok=True)
    folder.rmdir()


def _remove_ours(old: Path, final: Path, reporter: Reporter) -> None:
    """Delete our files in ``old``, formerly ``final``; move the others back there."""
    for path in [*(old / name for name in own_paths(old)), old]:
        if _is_folder(path):
            with suppress(OSError):  # not empty: it has files of the user
                path.rmdir()
        elif path != old:
            path.unlink()
    if os.path.lexists(old):
        _give_back(old, final, _free_name(final), reporter)


def _give_back(old: Path, final: Path, kept: Path, reporter: Reporter) -> None:
    """Move ``old`` to ``final``, and files whose name is taken there by a different file to ``kept``."""
    if not os.path.lexists(final):
        os.rename(old, final)
    elif _is_folder(old) and _is_folder(final):
        for inner in list(old.iterdir()):
            _give_back(inner, final / inner.name, kept / inner.name, reporter)
        old.rmdir()
    elif _is_file(old) and _is_file(final) and filecmp.cmp(old, final, shallow=False):
        old.unlink()
    else:
        _keep(old, kept, reporter)


def _keep(path: Path, kept: Path, reporter: Reporter) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.rename(path, kept)
    reporter.warn(f"{kept} has the earlier content: Dunwu did not write it, or it has changed since")


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.old{number or ''}") for number in count())
    return next(name for name in names if not os.path.lexists(name))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
