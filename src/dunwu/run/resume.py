"""The configuration of the run that is to be resumed, checked before anything heavy is loaded. Imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

from dunwu.config.blocks import Saving
from dunwu.errors import RunError
from dunwu.run.directory import MANIFEST, read_manifest
from dunwu.run.identity import Json, check_same_run


def can_resume(path: Path) -> bool:
    """Whether there is a run at ``path``: one that was stopped before its manifest was written is not."""
    return os.path.lexists(path / MANIFEST)


def own_config(path: Path, kind: str) -> Json:
    """The configuration of the run of ``kind`` at ``path``. Raises ``RunError`` if there is no such run to resume."""
    if not can_resume(path):
        raise RunError(f"{path} has no run to resume: check the path, or start a run there without --resume (in Python resume=True)")
    manifest = read_manifest(path)
    if manifest["kind"] != kind:
        raise RunError(f"{path} is a run of kind {manifest['kind']}, not {kind}: resume it with the command that started it")
    config: Json = manifest["config"]
    return config


def check_resume(path: Path, config: Saving) -> None:
    """Raise ``RunError`` for a key of ``config`` that differs from the run's at ``path`` and may not change."""
    check_same_run(path, read_manifest(path), {"config": config.model_dump(mode="json")}, config.resume_may_change)
