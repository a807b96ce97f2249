"""Atomic checkpoints: written beside, checked by size and crc32, renamed into place.

A step is a folder ``step-000100`` that is never modified. It is written under a temporary name, ``manifest.json`` records size and crc32
of each file, everything is fsynced, the folder renamed, its parent fsynced; only then is the pointer file ``latest`` updated and are
older steps deleted. After a kill at any moment the newest valid step is usable (see `dunwu.run.atomic`).

Files that a manifest does not name are not ours (``.DS_Store``, ``.nfs*``, a ``.gguf``, notes): they are no damage and never deleted.

Imports no torch, so that reports and tools can find checkpoints too.
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
    A valid step that already exists is kept, a corrupt one is replaced. Files that are not ours stay.
    Raises ``RunError`` if the disk is full; no valid step is lost then.
    """
    assert keep >= 1, "at least the step just saved must stay"
    final = root / step_folder(step)
    if not _is_valid(final):
        with atomic_folder(final, reporter) as folder:
            write(folder)
            write_step_manifest(folder, step, metadata or {})
    with atomic_file(root / LATEST) as file:
        file.write(f"{final.name}\n".encode())
    _remove_old(root, step, keep, keep_steps, reporter)
    return final


def newest_valid(root: Path, on_skip: Callable[[Path, str], None]) -> Path | None:
    """The newest valid step, or ``None``; ``on_skip(folder, reason)`` is called for each newer step that is skipped."""
    for step in sorted(_steps(root), reverse=True):
        folder = root / step_folder(step)
        try:
            verify_checkpoint(folder)
        except CheckpointError as error:
            on_skip(folder, str(error))
        else:
            return folder
    return None


def _is_valid(path: Path) -> bool:
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
    """Delete steps older than the newest ``keep`` up to ``saved``.

    Not counted: later steps, which are corrupt and were skipped, and folders without a manifest of their step, as nothing in them is ours.
    """
    past = sorted(step for step in _steps(root) if step <= saved and own_paths(root / step_folder(step)))
    for step in past[:-keep]:
        if step not in keep_steps and not _is_protected(root / step_folder(step)):
            remove_step(root / step_folder(step), reporter)


def _is_protected(folder: Path) -> bool:
    """True if a step is a symlink or anything in it is write-protected: the user wants to keep it."""
    return folder.is_symlink() or any(not path.lstat().st_mode & stat.S_IWUSR for path in (folder, *folder.rglob("*")))
