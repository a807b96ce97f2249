"""The date of a run, which its chat template may write. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from dunwu.run.date import freeze_date
from dunwu.run.directory import CONFIG, MANIFEST, read_manifest


def take_date(path: Path | None, model: str = "") -> str:
    """Freeze the date that chat templates write, and return it (ISO): that of the run at ``path``, else of the run that ``model`` is a
    checkpoint of, else today. A new run stores it in its manifest.
    """
    folder = Path(model).expanduser().resolve()
    places = [path, *([folder, *folder.parents[:2]] if model and folder.is_dir() else [])]
    run = next((place for place in places if place and (place / MANIFEST).is_file() and (place / CONFIG).is_file()), None)
    manifest = {} if run is None else read_manifest(run)
    return freeze_date(manifest.get("date") or manifest.get("started", "")[:10] or None)
