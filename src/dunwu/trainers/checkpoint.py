"""Checkpoints that are whole or not there: written beside, checked by size and crc32, renamed into place.

A step is a folder ``step-000100`` that is never written into again. It is written as ``step-000100.tmp``, every file is fsynced,
``manifest.json`` records size and crc32 of each, the folder is fsynced, renamed, its parent fsynced, and only then does the
pointer file ``latest`` name it and do older steps go. A kill at any moment leaves the newest whole step usable.

Imports no torch, so that reports and tools can look for checkpoints as well.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError

from dunwu.errors import CheckpointError, RunError

MANIFEST = "manifest.json"
LATEST = "latest"
_STEP_FOLDER = re.compile(r"step-(\d{6,})")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def step_folder(step: int) -> str:
    """Name of the folder of a step: ``step-000100``."""
    return f"step-{step:06d}"


def folder_step(path: Path) -> int | None:
    """The step of a checkpoint folder by its name; ``None`` for any other name."""
    match = _STEP_FOLDER.fullmatch(path.name)
    return int(match.group(1)) if match else None


def save_checkpoint(
    root: Path,
    step: int,
    write: Callable[[Path], None],
    keep: int,
    keep_steps: Collection[int] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Save one step and return its folder.

    ``write`` fills an empty folder. Afterwards the newest ``keep`` steps and those in ``keep_steps`` remain.
    A step that is already there and whole is left as it is; a torn one is replaced.
    Raises ``RunError`` when the disk is full; nothing that was whole before is lost then.
    """
    assert keep >= 1, "at least the step just saved must stay"
    final = root / step_folder(step)
    if not _is_whole(final):
        with clear_disk_full(final):
            _write_step(final, step, write, dict(metadata or {}))
    with atomic_file(root / LATEST) as file:
        file.write(f"{final.name}\n".encode())
    _remove_old(root, step, keep, keep_steps)
    return final


def verify_checkpoint(path: Path) -> dict[str, Any]:
    """Return the metadata of a whole checkpoint; raise ``CheckpointError`` naming the first file that is not as it was written."""
    manifest = _read_manifest(path)
    if folder_step(path) not in (None, manifest["step"]):  # a copy under a name of its own is whole too
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} is of step {manifest['step']}")
    expected: dict[str, dict[str, int]] = manifest["files"]
    for name in sorted(expected.keys() ^ _files(path).keys()):
        raise CheckpointError(f"checkpoint {path}: {name} is {'missing' if name in expected else 'not in ' + MANIFEST}")
    for name, entry in expected.items():
        try:
            size, crc = (path / name).stat().st_size, 0
            if size == entry["size"]:
                crc = crc32(path / name)
        except OSError as error:
            raise CheckpointError(f"checkpoint {path}: {name} cannot be read ({error.strerror})") from error
        if size != entry["size"]:
            raise CheckpointError(f"checkpoint {path}: {name} has {size} bytes, {entry['size']} were written")
        if crc != entry["crc32"]:
            raise CheckpointError(f"checkpoint {path}: {name} is corrupted (crc32 {crc:08x}, written {entry['crc32']:08x})")
    metadata: dict[str, Any] = manifest["metadata"]
    return metadata


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


def remove_leftovers(folder: Path) -> None:
    """Delete ``*.tmp`` that a killed trainer left. Only for the holder of the run's lock: a live trainer's save looks the same."""
    for path in folder.glob("*.tmp"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def clear_disk_full(path: Path) -> Iterator[None]:
    """Turn "no space left" (also as safetensors words it) into one ``RunError`` that names ``path``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = error.errno if isinstance(error, OSError) else None
        # safetensors writes files from Rust and keeps the error number in its text only
        if number in _DISK_FULL or any(f"os error {code})" in str(error) for code in _DISK_FULL):
            raise RunError(f"disk full while writing {path}: free space, then go on (the last whole checkpoint is safe)") from error
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing so that it is replaced whole, on disk, or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    with clear_disk_full(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            fsync_path(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def fsync_path(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_step(final: Path, step: int, write: Callable[[Path], None], metadata: dict[str, Any]) -> None:
    temporary = final.with_name(f"{final.name}.tmp")
    torn = final.with_name(f"{final.name}.torn.tmp")
    for leftover in (temporary, torn):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        _seal(temporary, step, metadata)
        if final.exists():
            os.rename(final, torn)
        os.rename(temporary, final)
        fsync_path(final.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(torn, ignore_errors=True)


def _seal(folder: Path, step: int, metadata: dict[str, Any]) -> None:
    """Bring every file to the disk and write the manifest, which ends with nothing left to write."""
    assert not (folder / MANIFEST).exists(), f"{MANIFEST} belongs to the checkpoint"
    files = _files(folder)
    for path in files.values():
        fsync_path(path)
    entries = {name: {"size": path.stat().st_size, "crc32": crc32(path)} for name, path in sorted(files.items())}
    body = {"step": step, "files": entries, "metadata": metadata}
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(_render(body))
        file.flush()
        os.fsync(file.fileno())
    for inner in (path for path in folder.rglob("*") if path.is_dir()):
        fsync_path(inner)
    fsync_path(folder)


def _render(body: dict[str, Any]) -> str:
    """The manifest's text. It carries its own crc32, so that a flipped bit in a size, a step or the metadata shows."""
    return json.dumps({"crc32": zlib.crc32(json.dumps(body).encode()), **body}, indent=2)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        text = (path / MANIFEST).read_bytes().decode()
        manifest = json.loads(text)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} is corrupted ({error})") from error
    body = {key: value for key, value in manifest.items() if key != "crc32"} if isinstance(manifest, dict) else {}
    if text != _render(body) or body.keys() != {"step", "files", "metadata"}:
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} is corrupted (it does not match its own crc32)")
    return body


def _is_whole(path: Path) -> bool:
    try:
        verify_checkpoint(path)
    except CheckpointError:
        return False
    return True


def _files(folder: Path) -> dict[str, Path]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    files.pop(MANIFEST, None)
    return files


def crc32(path: Path) -> int:
    crc, buffer = 0, memoryview(bytearray(1 << 22))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            crc = zlib.crc32(buffer[:count], crc)
    return crc


def _steps(root: Path) -> list[int]:
    if not root.is_dir():
        return []
    return [step for path in root.iterdir() if path.is_dir() and (step := folder_step(path)) is not None]


def _remove_old(root: Path, saved: int, keep: int, keep_steps: Collection[int]) -> None:
    """Delete steps older than the newest ``keep`` up to ``saved``. A later one is torn and was passed over: it takes nobody's place."""
    past = sorted(step for step in _steps(root) if step <= saved)
    for step in past[:-keep]:
        if step not in keep_steps:
            folder = root / step_folder(step)
            # Renamed first: a kill midway through the deletion must not leave something that looks like a step.
            doomed = folder.with_name(f"{folder.name}.tmp")
            shutil.rmtree(doomed, ignore_errors=True)
            os.rename(folder, doomed)
            shutil.rmtree(doomed)
