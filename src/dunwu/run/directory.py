"""The run directory: everything about a run in plain formats, and a lock so that only one trainer writes to it.

``config.yaml``, ``manifest.json``, ``metrics.jsonl``, ``rollouts/``, ``checkpoints/``, ``lock``. Imports no torch.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from dunwu.config.yaml_text import write_yaml
from dunwu.errors import RunError
from dunwu.isa import levels_in_force
from dunwu.run.atomic import atomic_file, clear_disk_full, is_temporary, remove_leftovers, set_aside
from dunwu.run.date import run_date
from dunwu.run.identity import check_same_run
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.step_manifest import counted_files, is_foreign
from dunwu.run.tables import holds_rollouts
from dunwu.version import VERSION

Metric = float | int | str | bool | None
Json = dict[str, Any]

MANIFEST, CONFIG = "manifest.json", "config.yaml"
METRICS, SUMMARY = "metrics.jsonl", "summary.json"
TOKENS = "tokens"
_BIRTH_FILES = frozenset({"lock", CONFIG, TOKENS})
_LOCK = re.compile(rb"(pid \d+ on host .*\n)?")
_ROLLOUTS = re.compile(r"step-(\d{5,})\.parquet")

# A forked worker would keep its parent's flock after the parent is killed, so each child closes its copy at once.
_held_locks: set[int] = set()


def _close_locks_in_child() -> None:
    for descriptor in _held_locks:
        os.close(descriptor)
    _held_locks.clear()


os.register_at_fork(after_in_child=_close_locks_in_child)


class RunDirectory:
    """One run on disk, locked by one process. Made by ``create``; a context manager that releases the lock. ``resumed``: it existed."""

    def __init__(self, path: Path, lock: int, manifest: Json, resumed: bool, reporter: Reporter) -> None:
        self.path = path
        self.manifest = manifest
        self.resumed = resumed
        self.reporter = reporter
        self._lock = lock
        self._began = time.monotonic()
        self._may_log = not resumed

    @classmethod
    def create(
        cls,
        path: Path,
        kind: str,
        config: Mapping[str, Any],
        seed: int,
        resume: bool = False,
        inputs: Mapping[str, str] | None = None,
        files: Mapping[str, Mapping[str, str]] | None = None,
        may_change: Callable[[str, Any, Any], bool] = lambda key, old, new: False,
        prepare: Callable[[], Mapping[str, str]] | None = None,
        reporter: Reporter = QUIET,
    ) -> RunDirectory:
        """Start a run in a new or empty directory, or resume an existing one with ``resume``.

        ``config`` is resolved and JSON-able; ``inputs`` maps the name of each input to its hash (see ``content_hash``).
        ``files`` has the path and hash of each file of an input, so that an error can name the changed one.
        With ``resume`` but nothing to resume, the run starts (``resumed`` is false). A key may change if
        ``may_change(dotted key, old value, new value)``; the manifest and ``config.yaml`` then get the new value. ``prepare`` writes
        files that the run needs into its folder ``tokens``, under the lock, and returns hashes of further inputs.
        Raises ``RunError``: directory in use by another trainer (pid and host), not empty, of another kind, config or input, not writable.
        """
        normal: Json = json.loads(json.dumps(dict(config)))
        identity: Json = {"kind": kind, "config_hash": config_hash(normal), "inputs": dict(inputs or {}), "seed": seed, "config": normal}
        identity["files"] = {name: dict(hashes) for name, hashes in (files or {}).items()}
        _refuse_foreign(path)
        with ExitStack() as undo:
            new = not path.exists()
            lock = _take_lock(path)
            undo.callback(_release_lock, lock)
            if new:
                undo.callback(_remove_unused, path)
            resumed = (path / MANIFEST).exists()
            if resumed and not resume:
                raise RunError(f"run {path} exists: resume it (--resume; in Python resume=True) or choose another run directory")
            if prepare is not None:
                if resumed:  # another run's files must stay
                    known = {**read_manifest(path)["inputs"], **identity["inputs"]}
                    check_same_run(path, read_manifest(path), {**identity, "inputs": known}, may_change, QUIET)
                identity["inputs"] |= prepare()
            manifest = read_manifest(path) if resumed else _new_manifest(identity)
            check_same_run(path, manifest, identity, may_change, reporter)
            for folder in (path, path / "checkpoints", path / "rollouts"):
                remove_leftovers(folder, reporter)
            _close_killed_start(path, manifest)
            manifest["starts"].append({"started": _now(), "code_version": code_version(), "pid": os.getpid(), "seconds": None})
            if not resumed or manifest["config"] != normal:
                _write(path / CONFIG, write_yaml(normal))
            manifest |= {"config": normal, "config_hash": identity["config_hash"], "files": identity["files"]}
            run = cls(path, lock, manifest, resumed, reporter)
            run.write_json(MANIFEST, manifest)
            undo.pop_all()
            return run

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def finished(self) -> bool:
        """True if ``finish`` was called, in this process or an earlier one."""
        return self.manifest["finished"] is not None

    @property
    def checkpoints(self) -> Path:
        """Root of the checkpoints."""
        return self.path / "checkpoints"

    def rollouts_path(self, step: int) -> Path:
        """File of a step's rollouts: ``rollouts/step-00010.parquet``."""
        return self.path / "rollouts" / f"step-{step:05d}.parquet"

    def log(self, step: int, metrics: Mapping[str, Metric]) -> None:
        """Append one row ``{"step", "time", **metrics}`` to ``metrics.jsonl``; NaN and infinities become null.

        Log a step before saving its checkpoint, so that a kill in between loses no row. Rewind a resumed run first.
        """
        assert self._may_log, "rewind a resumed run to its checkpoint before logging"
        assert not metrics.keys() & {"step", "time"}, "step and time are set here"
        row = {"step": step, "time": round(time.time(), 3)} | {name: _finite(value) for name, value in metrics.items()}
        _append_line(self.path / METRICS, json.dumps(row, ensure_ascii=False, allow_nan=False))

    def rewind(self, step: int | None) -> None:
        """Drop metrics and rollouts after ``step``, the step of the checkpoint to resume from (``None``: all of them)."""
        last = -1 if step is None else step
        rows = read_metrics(self.path)
        if (self.path / METRICS).exists():
            with atomic_file(self.path / METRICS) as file:
                file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in rows if row["step"] <= last)
        for path in (self.path / "rollouts").glob("*.parquet"):
            if (match := _ROLLOUTS.fullmatch(path.name)) and int(match.group(1)) > last:
                path.unlink() if holds_rollouts(path) else set_aside(path, self.reporter)
        self._may_log = True

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a file such as ``summary.json`` atomically."""
        _write(self.path / name, _as_json(value))

    def note(self, facts: Mapping[str, Any]) -> None:
        """Add facts to the manifest now, for readers of the running run; an ETA is computed from ``steps``."""
        self.manifest |= facts
        self.write_json(MANIFEST, self.manifest)

    def reopen(self) -> None:
        """Record that a run which may have finished trains further: it has no result yet."""
        (self.path / SUMMARY).unlink(missing_ok=True)
        self.note({"finished": None, "outputs": {}})

    def finish(self, outputs: Mapping[str, Path]) -> None:
        """Record that the run is finished, with the hash of each output."""
        hashes = {name: content_hash(path) for name, path in outputs.items()}
        self.manifest |= {"finished": _now(), "outputs": hashes}
        self._record_cost()

    def close(self) -> None:
        """Record the time spent and release the lock; further calls do nothing."""
        if self._lock not in _held_locks:
            return
        try:
            self._record_cost()
        finally:
            _release_lock(self._lock)

    def _record_cost(self) -> None:
        self.manifest["starts"][-1]["seconds"] = round(time.monotonic() - self._began, 1)
        self.manifest["cost_seconds"] = _cost(self.manifest)
        self.write_json(MANIFEST, self.manifest)


def read_manifest(path: Path) -> Json:
    """``manifest.json`` of a run; needs no lock. Raises ``RunError`` if it is missing or corrupt."""
    try:
        manifest: Json = json.loads((path / MANIFEST).read_bytes())
        if config_hash(manifest["config"]) == manifest["config_hash"]:
            return manifest
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run ({MANIFEST} is missing): pass a run directory") from error
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path / MANIFEST} is corrupt ({type(error).__name__}): restore it or choose another run directory") from error
    raise RunError(f"{path / MANIFEST} is corrupt (its config does not match its config_hash): restore it or choose another run directory")


def read_metrics(path: Path) -> list[Json]:
    """Rows of ``metrics.jsonl`` of a run, without a truncated last line; raises ``RunError`` for any other invalid line."""
    file = path / METRICS
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    rows: list[Json] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise RunError(f"{file} line {number} is corrupt: delete that line")
        rows.append(row)
    return rows


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def relocate(path: Path, config: Mapping[str, Any], code: Mapping[str, str]) -> None:
    """Write the configuration to resume with into the run at ``path``, if there is one, and the hashes of custom code by the name of the
    input. The caller has checked that it may resume: only paths or comments differ, or changed code was accepted.
    """
    if not (path / MANIFEST).exists():
        return
    manifest, normal = read_manifest(path), json.loads(json.dumps(dict(config)))
    inputs = {key: code.get(key, value) for key, value in manifest["inputs"].items()}
    if manifest["config"] != normal or manifest["inputs"] != inputs:
        manifest |= {"config": normal, "config_hash": config_hash(normal), "inputs": inputs}
        _write(path / MANIFEST, _as_json(manifest))
        _write(path / CONFIG, write_yaml(normal))


def _as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Write text atomically."""
    with atomic_file(path) as file:
        file.write(text.encode())


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the relative names and contents of a folder's `counted_files`."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for name, inner in counted_files(path).items():
        total.update(f"{content_hash(inner)} {name}\n".encode())
    return total.hexdigest()


def code_version() -> str:
    """Package version, and the commit if the package is in a git repository that tracks it: ``0.1.0+g1a2b3c4d5e6f.dirty``."""
    package = Path(__file__).resolve().parent
    if _git(package, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return VERSION
    commit = _git(package, "rev-parse", "--short=12", "HEAD")
    if commit is None:
        return VERSION
    changed = _git(package.parent, "status", "--porcelain", "--", ".")
    return f"{VERSION}+g{commit}{'.dirty' if changed else ''}"


def _refuse_foreign(path: Path) -> None:
    """Refuse a path that is not a run directory, before anything is written. A run killed at its start has a lock but no manifest yet."""
    try:
        names = {entry.name for entry in path.iterdir() if not (is_foreign(entry.name) or is_temporary(entry))}
        killed_at_birth = "lock" in names and _LOCK.fullmatch((path / "lock").read_bytes()) is not None
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path} cannot be a run directory ({error.strerror}): choose another run directory") from error
    if MANIFEST not in names and (names - _BIRTH_FILES or (names and not killed_at_birth)):
        raise RunError(f"{path} is not empty and not a run: choose another run directory")


def _remove_unused(path: Path) -> None:
    """Remove a directory that was made for a failed start, unless it has complete files."""
    with suppress(OSError):  # missing, or not empty
        (path / TOKENS).rmdir()
    if os.listdir(path) == ["lock"]:
        (path / "lock").unlink()
        path.rmdir()


def _take_lock(path: Path) -> int:
    try:
        with clear_disk_full(path):
            path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RunError(f"cannot write in {path} ({error.strerror}): choose another run directory") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip() or "pid unknown"
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise RunError(f"run {path} is in use by another trainer ({holder}): wait for it or stop it") from error
        raise RunError(f"cannot lock {path / 'lock'} ({error.strerror}): choose a file system with locks") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()} on host {socket.gethostname()}\n".encode(), 0)
    _held_locks.add(descriptor)
    return descriptor


def _release_lock(descriptor: int) -> None:
    if descriptor in _held_locks:
        _held_locks.discard(descriptor)
        os.close(descriptor)


def _new_manifest(identity: Json) -> Json:
    environment = {
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu_count": os.cpu_count(),
        "isa": levels_in_force()[-1].name,
    }
    return {
        "kind": identity["kind"],
        "config_hash": identity["config_hash"],
        "inputs": identity["inputs"],
        "code_version": code_version(),
        "seed": identity["seed"],
        "date": run_date(),
        "environment": environment,
        "started": _now(),
        "finished": None,
        "outputs": {},
        "cost_seconds": 0.0,
        "starts": [],
        "config": identity["config"],
    }


def _close_killed_start(path: Path, manifest: Json) -> None:
    """Set the time of a killed start to that of its last metrics row, so that the cost of a run misses little."""
    if manifest["starts"] and manifest["starts"][-1]["seconds"] is None:
        began = datetime.fromisoformat(manifest["starts"][-1]["started"]).timestamp()
        last = max((row.get("time", began) for row in read_metrics(path)), default=began)
        manifest["starts"][-1]["seconds"] = round(max(0.0, last - began), 1)
        manifest["cost_seconds"] = _cost(manifest)


def _cost(manifest: Json) -> float:
    return round(sum(start["seconds"] or 0.0 for start in manifest["starts"]), 1)


def _append_line(path: Path, text: str) -> None:
    """Append a line to the file on disk, complete or not at all."""
    with clear_disk_full(path), path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        rest = memoryview(text.encode() + b"\n")
        try:
            while rest:
                rest = rest[file.write(rest) or 0 :]
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def _finite(value: Metric) -> Metric:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
