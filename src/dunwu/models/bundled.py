"""Where models lie: the tiny base model that comes with the package, and the newest checkpoint of a run."""

from __future__ import annotations

from pathlib import Path

from dunwu.errors import ModelError

BUNDLED_NAME = "tiny"


def bundled_path() -> Path:
    """Folder of the bundled tiny base model. Raises ``ModelError`` when the installation lacks it."""
    folder = Path(__file__).resolve().parent.parent / "assets" / "tiny-base"
    if not (folder / "config.json").is_file():
        raise ModelError(f"the bundled model is missing at {folder}; make it with `dunwu pretrain --recipe tiny`")
    return folder


def newest_checkpoint(folder: Path) -> Path:
    """Of a run directory; any other folder is given back as it is."""
    pointer = folder / "checkpoints" / "latest"
    if (folder / "config.json").exists() or not pointer.is_file():
        return folder
    return pointer.with_name(pointer.read_text(encoding="utf-8").strip() or "none")
