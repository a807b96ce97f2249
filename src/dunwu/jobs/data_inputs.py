"""Hashes of the data that a run reads, so that a resumed run notices changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dunwu.config.tasks import ChatTask, CodeTask, DatasetTask, EnvironmentTask, TaskConfig
from dunwu.config.zero import ZeroConfig
from dunwu.run.directory import content_hash
from dunwu.tasks.base import Finite, Task
from dunwu.tasks.make import make_task
from dunwu.tasks.mixture import Mixture
from dunwu.tasks.rows import data_files


def data_inputs(config: ZeroConfig, task: Task) -> dict[str, str]:
    """Hashes of ``data`` (trained on) and ``evaluations``, if rows are read for them. Call it before rows are dropped."""
    tasks = task.tasks if isinstance(task, Mixture) else [task]
    found = {
        "data": [hash for each, made in zip(config.tasks, tasks, strict=True) for hash in _hashes(each.task, made)],
        "evaluations": [hash for each in config.evaluations for hash in _hashes(each.task, None)],
    }
    return {name: hashlib.sha256("\n".join(hashes).encode()).hexdigest() for name, hashes in found.items() if hashes}


def data_hashes(config: ZeroConfig) -> dict[str, dict[str, str]]:
    """The hash of each local file that `data_inputs` covers; a data set of the hub is only named."""
    parts = {"data": [each.task for each in config.tasks], "evaluations": [each.task for each in config.evaluations]}
    return {name: {file: hash for each in tasks for file, hash in _named(each)} for name, tasks in parts.items()}


def _named(config: TaskConfig) -> Iterator[tuple[str, str]]:
    if isinstance(config, DatasetTask | ChatTask | CodeTask | EnvironmentTask):
        files = _files(config)
        yield from ((str(file), content_hash(file)) for file in files)
        if not files and not isinstance(config, EnvironmentTask):
            yield str(config.path or getattr(config, "dataset", "")), ""


def _hashes(config: TaskConfig, task: Task | None) -> Iterator[str]:
    """The hashes of a task's local files, and the hash of its problems, wherever they are from."""
    if not isinstance(config, DatasetTask | ChatTask | CodeTask | EnvironmentTask):
        return
    for file in _files(config):
        yield content_hash(file)
    if isinstance(made := task or make_task(config), Finite):
        yield _fingerprint(made)


def _files(config: DatasetTask | ChatTask | CodeTask | EnvironmentTask) -> Sequence[Path]:
    if isinstance(config, EnvironmentTask):
        return [Path(os.path.expanduser(config.function.rpartition(":")[0]))]
    path = Path(os.path.expanduser(config.path or ""))
    return data_files(path) if config.path and path.exists() else []


def _fingerprint(task: Finite) -> str:
    """Hash of all problems of every split, in order."""
    total = hashlib.sha256()
    for split in ("train", "validation", "test"):
        for problem in task.rows(split):
            facts = [split, problem.id, problem.answer, problem.verifier, problem.language, dict(problem.data)]
            total.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return total.hexdigest()
