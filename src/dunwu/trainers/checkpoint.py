"""Checkpoints that are whole or not there: written beside, checked by size and crc32, renamed into place.

A step is a folder ``step-000100`` that is never written into again. It is written as ``step-000100.tmp``, every file is fsynced,
``manifest.json`` records size and crc32 of each, the folder is fsynced, renamed, its parent fsynced, and only then does the
pointer file ``latest`` name it and do older steps go. A kill at any moment leaves the newest whole step usable.

What a manifest does not name is not ours (``.DS_Store``, ``.nfs*``, a ``.gguf``, notes): it is no damage and is never deleted.

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError

from dunwu.errors import CheckpointError, RunError

MANIFEST = "manifest.json"
LATEST = "latest"
_STEP_FOLDER = re.compile(r"step-(\d{6,})")
_LEFTOVER = re.compile(
    r"(step-\d{5,}(\.torn|\.parquet)?|latest|output|model|data|(manifest|summary|seconds|artefact|identity|journal)\.json"
    r"|(config|recipe)\.yaml|metrics\.jsonl)\.tmp"
)
"""Names under which files and folders are written before they are renamed: a ``draft.tmp`` of the user's is none of them."""
_FOREIGN = re.compile(r"\..*|Thumbs\.db|desktop\.ini|.*\.gguf", re.IGNORECASE)
"""Names that systems and other tools leave in folders. Nothing of ours begins with a dot."""
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
    A step that is already there and whole is left as it is; a torn one is replaced. Files that are not ours stay where they are.
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
    if missing := min(expected.keys() - _files(path).keys(), default=None):
        raise CheckpointError(f"checkpoint {path}: {missing} is missing")
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
    """Delete the ``*.tmp`` that a killed trainer left. Only for the holder of the run's lock: a live trainer's save looks the same."""
    for path in sorted(folder.glob("*.tmp")):
        if _LEFTOVER.fullmatch(path.name):
            _clear(path)


def is_foreign(name: str) -> bool:
    """Whether a file of this name is one that systems and other tools leave in folders."""
    return _FOREIGN.fullmatch(name) is not None


def counted_files(folder: Path) -> dict[str, Path]:
    """The files of a folder that belong to it, by relative name: of a checkpoint those of its manifest and the manifest itself.

    Elsewhere all but the names that systems and other tools leave in folders.
    """
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if named := _named(folder):
        return {name.as_posix(): path for name, path in files.items() if name.as_posix() in {*named, MANIFEST}}
    return {name.as_posix(): path for name, path in files.items() if not any(map(is_foreign, name.parts))}


def carry_over(old: Path, new: Path) -> None:
    """Move what lies in ``old`` and has no like in ``new`` there: files of the user's in a folder that is made again."""
    for name, path in _files(old).items():
        if not os.path.lexists(new / name):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, new / name)


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
    for leftover in filter(os.path.lexists, (temporary, torn)):
        _clear(leftover)
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
        if torn.exists():
            _clear(torn)


def _clear(leftover: Path) -> None:
    """Delete what was written or deleted halfway; files that are not ours stay in the step's folder."""
    step = leftover.with_name(leftover.name.partition(".")[0])
    if not leftover.is_dir() or leftover.is_symlink():
        leftover.unlink()
    elif leftover.name.endswith(".torn.tmp"):
        if not step.exists():
            os.rename(leftover, step)
            return
        _carry_foreign(leftover, step)
        shutil.rmtree(leftover)
    elif _named(leftover) and folder_step(step) is not None:  # without a whole manifest it was being written
        _discard(leftover, step)
    else:
        shutil.rmtree(leftover)


def _carry_foreign(torn: Path, fresh: Path) -> None:
    """What is not ours in a step that is written again moves with it; ours is what either manifest names."""
    for name in _named(torn) & _files(torn).keys():
        (torn / name).unlink()
    (torn / MANIFEST).unlink(missing_ok=True)
    carry_over(torn, fresh)


def _named(folder: Path) -> set[str]:
    """The files that a step's manifest names; none where it cannot be read."""
    try:
        return set(_read_manifest(folder)["files"])
    except CheckpointError:
        return set()


def _discard(folder: Path, kept: Path) -> None:
    """Delete a step's files by its manifest. What is not ours stays, in the folder ``kept``, which is no checkpoint any more."""
    named = _named(folder)
    for name in named & _files(folder).keys():
        (folder / name).unlink()
    # Of all named files: those that an interrupted deletion has taken left their folders behind.
    parents = {parent for name in named for parent in Path(name).parents if parent != Path()}
    for parent in sorted(parents, key=lambda each: -len(each.parts)):
        with suppress(OSError):  # not empty: something of the user's is in it
            (folder / parent).rmdir()
    if [path.name for path in folder.iterdir()] != [MANIFEST] and not kept.exists():
        os.rename(folder, kept)
        folder = kept
    (folder / MANIFEST).unlink()
    with suppress(OSError):
        folder.rmdir()


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
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
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
    """Delete steps older than the newest ``keep`` up to ``saved``. A later one is torn and was passed over: it takes nobody's place.

    Nor does a folder without a manifest, which holds nothing that is known to be ours.
    """
    past = sorted(step for step in _steps(root) if step <= saved and (root / step_folder(step) / MANIFEST).is_file())
    for step in past[:-keep]:
        if step not in keep_steps:
            folder = root / step_folder(step)
            # Renamed first: a kill midway through the deletion must not leave something that looks like a step.
            doomed = folder.with_name(f"{folder.name}.tmp")
            if doomed.exists():
                _clear(doomed)
            os.rename(folder, doomed)
            _discard(doomed, folder)
