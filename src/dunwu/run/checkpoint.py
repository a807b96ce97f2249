"""Checkpoints that are whole or not there: written beside, checked by size and crc32, renamed into place.

A step is a folder ``step-000100`` that is never written into again. It is written under another name, ``manifest.json`` records size and
crc32 of each file, everything is fsynced, the folder renamed, its parent fsynced, and only then does the pointer file ``latest`` name it
and do older steps go. A kill at any moment leaves the newest whole step usable (see `dunwu.run.atomic`).

What a manifest does not name is not ours (``.DS_Store``, ``.nfs*``, a ``.gguf``, notes): it is no damage and is never deleted.

Imports no torch, so that reports and tools can look for checkpoints as well.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from dunwu.errors import CheckpointError
from dunwu.run.atomic import atomic_file, atomic_folder, remove_step
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import folder_step, own_paths, step_folder, verify_checkpoint, write_step_manifest

LATEST = "latest"


def save_checkpoint(
    root: Path,
    step: int,
    write: Callable[[Path], None],
    keep: int,
    keep_steps: Collection[int] = (),
    metadata: Mapping[str, Any] | None = None,
    reporter: Reporter = QUIET,
) -> Path:
    """Save one step and return its folder.

    ``write`` fills an empty folder. Afterwards the newest ``keep`` steps and those in ``keep_steps`` remain.
    A step that is already there and whole is left as it is; a torn one is replaced. Files that are not ours stay.
    Raises ``RunError`` when the disk is full; nothing that was whole before is lost then.
    """
    assert keep >= 1, "at least the step just saved must stay"
    final = root / step_folder(step)
    if not _is_whole(final):
        with atomic_folder(final, reporter) as folder:
            write(folder)
            write_step_manifest(folder, step, metadata or {})
    with atomic_file(root / LATEST) as file:
        file.write(f"{final.name}\n".encode())
    _remove_old(root, step, keep, keep_steps, reporter)
    return final


def newest_whole(root: Path, on_skip: Callable[[Path, str], None]) -> Path | None:
    """The newest step whose manifest checks, or ``None``; ``on_skip(folder, reason)`` hears of each newer one passed over."""
    for step in sorted(_steps(root), reverse=True):
        folder = root / step_folder(step)
        try:
            verify_checkpoint(folder)
        except CheckpointError as error:
            on_skip(folder, str(error))
        else:
            return folder
    return None


def _is_whole(path: Path) -> bool:
    try:
        verify_checkpoint(path)
    except CheckpointError:
        return False
    return True


def _steps(root: Path) -> list[int]:
    if not root.is_dir():
        return []
    return [step for path in root.iterdir() if path.is_dir() and (step := folder_step(path)) is not None]


def _remove_old(root: Path, saved: int, keep: int, keep_steps: Collection[int], reporter: Reporter) -> None:
    """Delete steps older than the newest ``keep`` up to ``saved``. A later one is torn and was passed over: it takes nobody's place.

    Nor does a folder without a manifest of its step, which holds nothing that is known to be ours.
    """
    past = sorted(step for step in _steps(root) if step <= saved and own_paths(root / step_folder(step)))
    for step in past[:-keep]:
        if step not in keep_steps and not _is_protected(root / step_folder(step)):
            remove_step(root / step_folder(step), reporter)


def _is_protected(folder: Path) -> bool:
    """Whether a step is a link to what lies elsewhere, or anything in it is write-protected: the user wants to keep it."""
    return folder.is_symlink() or any(not path.lstat().st_mode & stat.S_IWUSR for path in (folder, *folder.rglob("*")))
