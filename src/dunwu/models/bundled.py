"""Where the tiny base model lies that comes with the package."""

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
