"""The manifest of a checkpoint: size and crc32 of each file that we wrote. Imports no torch."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dunwu.errors import CheckpointError

MANIFEST = "manifest.json"
_STEP_FOLDER = re.compile(r"step-(\d{6,})")
_FOREIGN = re.compile(r"\..*|Thumbs\.db|desktop\.ini|.*\.gguf", re.IGNORECASE)
"""Names of files that systems and other tools put into folders. None of our files starts with a dot."""


def step_folder(step: int) -> str:
    """Folder name of a step: ``step-000100``."""
    return f"step-{step:06d}"


def folder_step(path: Path) -> int | None:
    """The step in the name of a checkpoint folder; ``None`` for any other name."""
    match = _STEP_FOLDER.fullmatch(path.name)
    step = int(match.group(1)) if match else None
    return step if step is not None and path.name == step_folder(step) else None


def write_step_manifest(folder: Path, step: int, metadata: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` for the files in ``folder``; nothing may be written there afterwards."""
    assert not (folder / MANIFEST).exists(), f"{MANIFEST} belongs to the checkpoint"
    entries = {name: {"size": path.stat().st_size, "crc32": crc32(path)} for name, path in sorted(_files(folder).items())}
    (folder / MANIFEST).write_text(_render({"step": step, "files": entries, "metadata": dict(metadata)}), encoding="utf-8")


def verify_checkpoint(path: Path) -> dict[str, Any]:
    """Return the metadata of a valid checkpoint; raise ``CheckpointError`` naming the first file that differs from what was written."""
    manifest = _read_manifest(path)
    if folder_step(path) not in (None, manifest["step"]):  # a copy under another name is valid too
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
            raise CheckpointError(f"checkpoint {path}: {name} is corrupt (crc32 {crc:08x}, written {entry['crc32']:08x})")
    metadata: dict[str, Any] = manifest["metadata"]
    return metadata


def own_paths(folder: Path) -> list[str]:
    """Our relative paths in a step's folder: files of the size given in the manifest, the folders of files it names, innermost first,
    and the manifest. If they are deleted in this order, a kill leaves the manifest that lists our files.

    Empty if the manifest is unreadable or of another step: then nothing there is known to be ours.
    """
    try:
        manifest = _read_manifest(folder)
    except CheckpointError:
        return []
    if folder.is_symlink() or folder_step(folder) != manifest["step"]:
        return []
    found = {name: path for name, path in _files(folder).items() if name in manifest["files"] and not path.is_symlink()}
    files = [name for name, path in found.items() if path.stat().st_size == manifest["files"][name]["size"]]
    parents = {parent for name in manifest["files"] for parent in Path(name).parents if parent != Path()}
    real = [parent for parent in parents if (folder / parent).is_dir() and not (folder / parent).is_symlink()]
    folders = sorted(real, key=lambda each: -len(each.parts))
    return [*files, *(each.as_posix() for each in folders), MANIFEST]


def is_foreign(name: str) -> bool:
    """True for names of files that systems and other tools put into folders."""
    return _FOREIGN.fullmatch(name) is not None


def counted_files(folder: Path) -> dict[str, Path]:
    """The files that count as content of a folder, by relative name: in a checkpoint the manifest and the files it names, elsewhere all
    except `is_foreign` ones."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if named := _named(folder):
        return {name.as_posix(): path for name, path in files.items() if name.as_posix() in {*named, MANIFEST}}
    return {name.as_posix(): path for name, path in files.items() if not any(map(is_foreign, name.parts))}


def _named(folder: Path) -> set[str]:
    """The files named in a step's manifest; none if it is unreadable."""
    try:
        return set(_read_manifest(folder)["files"])
    except CheckpointError:
        return set()


def _render(body: dict[str, Any]) -> str:
    """The manifest's text. It contains its own crc32, which detects a flipped bit in a size, the step or the metadata."""
    return json.dumps({"crc32": zlib.crc32(json.dumps(body).encode()), **body}, indent=2)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        text = (path / MANIFEST).read_bytes().decode()
        manifest = json.loads(text)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} is corrupt ({error})") from error
    body = {key: value for key, value in manifest.items() if key != "crc32"} if isinstance(manifest, dict) else {}
    if text != _render(body) or body.keys() != {"step", "files", "metadata"}:
        raise CheckpointError(f"checkpoint {path}: {MANIFEST} is corrupt (it does not match its own crc32)")
    return body


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
