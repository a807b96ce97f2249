"""Artefacts: the results of finished stages, each with a manifest of its inputs, environment and cost. Imports no torch.

``RUN/stages/STAGE/IDENTITY/`` is the folder of one artefact. Its ``artefact.json`` is written last: once it exists, the stage is finished
and never runs again. If a stage's configuration, inputs or code change, its identity and so its folder change: the old folder stays, and
is found again when the change is reverted.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dunwu.errors import RunError
from dunwu.pipeline.identity import Identity, differ_in_code_alone, difference
from dunwu.run.atomic import atomic_file
from dunwu.run.directory import code_version, config_hash, content_hash
from dunwu.run.step_manifest import counted_files, crc32
from dunwu.run.usage import ARTEFACT, Usage

Json = dict[str, Any]

IDENTITY = "identity.json"
ACCEPTED = "accepted_code.json"
"""In an artefact's folder: the changes of code that were accepted for it (``--accept-code``)."""
KEPT = "kept.json"
"""In the folder of an identity: the folder whose artefact was accepted for its code."""
_FOLDER = re.compile(r"[0-9a-f]{16}")
RECIPE = "recipe.yaml"
"""In a run: the resolved pipeline."""
STAGES = "stages"
WORK = "run"
"""In an artefact's folder: the run directory of a stage that resumes."""
OUTPUT = "output"
"""In an artefact's folder: the complete output of a stage that does not resume."""
READ = (".jsonl", ".jsonl.gz", ".parquet", ".json", ".jinja", ".safetensors", ".bin", ".model", ".py")
"""Suffixes of files that stages and loaders look for in a folder: an extra file of these could be read; others are ignored."""
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "datasets", "math-verify", "reasoning-gym")
"""Packages whose versions the manifest records; they are not part of a stage's identity (see `dunwu.pipeline.source`)."""
_DIGITS = 16


@dataclass(frozen=True)
class Artefact:
    """A finished artefact: its folder and its manifest."""

    folder: Path
    manifest: Json

    @property
    def stage(self) -> str:
        """The name of the stage that made it."""
        return str(self.manifest["stage"])

    @property
    def payload(self) -> Path:
        """The file or folder that other stages use."""
        return self.folder / str(self.manifest["payload"])

    @property
    def hash(self) -> str:
        """SHA-256 of the payload."""
        return str(self.manifest["output"]["hash"])

    @property
    def origin(self) -> Json:
        """The reference that a stage using it records."""
        return {"stage": self.stage, "identity": str(self.manifest["identity"])}

    def verify(self, contents: bool = True) -> None:
        """Raise `RunError` with the first file that has changed; without ``contents`` only sizes are compared."""
        expected: dict[str, Json] = self.manifest["output"]["files"]
        found = _files(self.payload)
        if missing := min(expected.keys() - found.keys(), default=None):
            raise self._damaged(f"{missing} is missing")
        if more := min((name for name in found.keys() - expected.keys() if name.endswith(READ)), default=None):
            raise self._damaged(f"{more} is not from this stage")
        for name, entry in expected.items():
            size = found[name].stat().st_size
            if size != entry["size"]:
                raise self._damaged(f"{name} has {size} bytes instead of {entry['size']}")
            if contents and crc32(found[name]) != entry["crc32"]:
                raise self._damaged(f"{name} is corrupted (its crc32 has changed)")

    def _damaged(self, what: str) -> RunError:
        outside = Path(self.manifest["payload"]).is_absolute()
        remedy = "put the file back" if outside else f"restore it, or delete {self.folder} and run again"
        return RunError(f"the artefact of stage {self.stage} is corrupt: {self.payload}: {what}; {remedy}")


def artefact_folder(run: Path, stage: str, digest: str) -> Path:
    """The folder of a stage's artefact with this identity."""
    return run / STAGES / stage / digest[:_DIGITS]


def seal(folder: Path, stage: str, makes: str, payload: Path, identity: Identity, usage: Usage, seconds: float) -> Artefact:
    """Write the manifest of a stage's output, which finishes the stage."""
    inside = payload.is_relative_to(folder)
    manifest: Json = {
        "stage": stage,
        "makes": makes,
        "payload": str(payload.relative_to(folder) if inside else payload),
        "identity": identity.digest,
        **identity.as_json(),
        "sources": dict(identity.sources),
        "accepted_code": accepted_code(folder),
        "code_version": code_version(),
        "environment": environment(),
        "output": {"hash": content_hash(payload), "files": _checks(payload)},
        "cost": {"seconds": round(seconds, 1), **asdict(usage), "flops": usage.flops, "teacher_flops": usage.teacher_flops},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with atomic_file(folder / ARTEFACT) as file:
        file.write(json.dumps({"sha256": config_hash(manifest), **manifest}, indent=2, ensure_ascii=False).encode() + b"\n")
    return Artefact(folder, manifest)


def read_artefact(folder: Path) -> Artefact | None:
    """The finished artefact of a folder, or ``None``. Raises `RunError` if its manifest is corrupt."""
    path = folder / ARTEFACT
    try:
        manifest = json.loads(path.read_bytes())
        written = manifest.pop("sha256")
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise RunError(f"{folder} and its parents must be folders: move the file in their place away") from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        manifest, written = {}, None
    if written != config_hash(manifest):
        raise RunError(f"{path} is corrupt (it does not match its own hash): restore it, or delete {folder} and run again")
    return Artefact(folder, manifest)


def artefacts_of(run: Path, stage: str) -> list[Artefact]:
    """All finished artefacts of a stage, of any identity, newest first."""
    folders = sorted((run / STAGES / stage).glob("*"))
    found = [artefact for folder in folders if (artefact := read_artefact(folder)) is not None]
    return sorted(found, key=lambda artefact: str(artefact.manifest["finished"]), reverse=True)


def begin(folder: Path, identity: Identity) -> tuple[str, str]:
    """Create or reuse the folder of an artefact. Returns an event for the user, and the reason if a stage starts again (else empty)."""
    begun = sorted(folder.parent.glob(f"*/{IDENTITY}"), key=lambda path: path.stat().st_mtime_ns)
    newest, own, now = _read_identity(begun[-1]) if begun else None, _read_identity(folder / IDENTITY), identity.as_json()
    folder.mkdir(parents=True, exist_ok=True)
    _note_other_code(folder, identity)
    with atomic_file(folder / IDENTITY) as file:
        file.write(json.dumps(now, indent=2, ensure_ascii=False).encode() + b"\n")
    if own is not None:
        return "resumes" if own["code"] == now["code"] else "resumes under changed code", ""
    reason = "" if newest is None else difference(newest, now)
    if newest is None or not reason:
        return "starts", ""
    remedy = "; --accept-code would keep the earlier result" if differ_in_code_alone(newest, now) else ""
    return f"starts again: {reason}{remedy}", reason


def under_other_code(folder: Path, identity: Identity) -> Path | None:
    """The folder of the stage's newest artefact, finished ones first, whose identity differs in code only."""
    now = identity.as_json()
    begun = [
        path for path in folder.parent.glob(f"*/{IDENTITY}") if (earlier := _read_identity(path)) and differ_in_code_alone(earlier, now)
    ]
    newest = max(begun, key=lambda path: ((path.parent / ARTEFACT).is_file(), path.stat().st_mtime_ns), default=None)
    return None if newest is None else newest.parent


def keep(folder: Path, artefact: Artefact, identity: Identity) -> None:
    """Record at the folder of an identity that an artefact made under other code is its result."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / KEPT) as file:
        file.write(json.dumps({"folder": artefact.folder.name, "code": dict(identity.code)}).encode() + b"\n")


def kept(folder: Path) -> Artefact | None:
    """The artefact that `keep` recorded, if it is still there."""
    name = str(_read_kept(folder / KEPT).get("folder"))
    return read_artefact(folder.parent / name) if _FOLDER.fullmatch(name) else None


def is_kept(artefact: Artefact, code: Mapping[str, str]) -> bool:
    """Whether the artefact was kept for this code of its stage."""
    records = map(_read_kept, artefact.folder.parent.glob(f"*/{KEPT}"))
    return {"folder": artefact.folder.name, "code": dict(code)} in list(records)


def _read_kept(path: Path) -> Json:
    """Empty if the file is missing or corrupt: then the stage is accepted again or runs."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _note_other_code(folder: Path, identity: Identity) -> None:
    """If the work in ``folder`` was started under other code, record which files changed."""
    begun = _read_identity(folder / IDENTITY)
    if begun is None or begun["code"] == dict(identity.code):
        return
    old, new = begun["code"], dict(identity.code)
    changed = {name: [old.get(name), new.get(name)] for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)}
    notes = [each for each in accepted_code(folder) if each["changed"] != changed]
    with atomic_file(folder / ACCEPTED) as file:
        file.write(
            json.dumps([*notes, {"when": datetime.now(UTC).isoformat(timespec="seconds"), "changed": changed}], indent=2).encode() + b"\n"
        )


def accepted_code(folder: Path) -> list[Json]:
    """The accepted changes of code, oldest first: the time, and by file the hashes before and after."""
    path = folder / ACCEPTED
    try:
        found: list[Json] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is corrupt ({type(error).__name__}): delete {folder} to restart the stage") from error
    return found


def environment() -> Json:
    """Versions that may affect a result but are not part of any identity."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": versions}


def _read_identity(path: Path) -> Json | None:
    """``None`` if the file is missing or corrupt: then the folder counts for its own identity only."""
    try:
        found: Json = json.loads(path.read_bytes())
        return {part: found[part] for part in ("kind", "config", "inputs", "code")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _files(payload: Path) -> dict[str, Path]:
    if not payload.is_dir():
        return {payload.name: payload} if payload.exists() else {}
    return counted_files(payload)


def _checks(payload: Path) -> dict[str, Json]:
    return {name: {"size": path.stat().st_size, "crc32": crc32(path)} for name, path in _files(payload).items()}
