"""The run directory a checkpoint lies in."""

from __future__ import annotations

from pathlib import Path


def run_above(folder: Path) -> Path | None:
    """`folder` itself, or one of the two folders above it (`RUN/checkpoints/step-000100`), that holds a run's `config.yaml`."""
    folder = folder.resolve()
    return next((place for place in (folder, *folder.parents[:2]) if (place / "config.yaml").is_file()), None)
