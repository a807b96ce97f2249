"""Paths of models: the tiny base model of the package, checkpoints of a run, and the configurations that they were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dunwu.config.load import read_mapping
from dunwu.config.template import ASKS
from dunwu.errors import ModelError
from dunwu.text.answer_forms import KEY

BUNDLED_NAME = "tiny"
RELEASE = "dunwu.yaml"
"""In a folder of `dunwu export`: the form of answers (`answer_form`), and `template`, which asks for it or not. The chat template has all
else that a prompt needs."""


def bundled_path() -> Path:
    """Folder of the bundled tiny base model. Raises ``ModelError`` if the installation lacks it."""
    folder = Path(__file__).resolve().parent.parent / "assets" / "tiny-base"
    if not (folder / "config.json").is_file():
        raise ModelError(f"the bundled model is missing at {folder}; make it with `dunwu pretrain --recipe tiny`")
    return folder


def newest_checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a run directory; any other folder is returned unchanged."""
    pointer = folder / "checkpoints" / "latest"
    if (folder / "config.json").exists() or not pointer.is_file():
        return folder
    return pointer.with_name(pointer.read_text(encoding="utf-8").strip() or "none")


def run_above(folder: Path) -> Path | None:
    """`folder` itself, or one of the two folders above it (`RUN/checkpoints/step-000100`), that holds a run's `config.yaml`."""
    folder = folder.resolve()
    return next((place for place in (folder, *folder.parents[:2]) if (place / "config.yaml").is_file()), None)


def trained_as(model: str) -> Mapping[str, Any]:
    """The configuration of the run that a local model is from, or what a released model says of it; empty without either."""
    folder = Path(model)
    if (folder / RELEASE).is_file():
        released = read_mapping(folder / RELEASE)
        # A folder that anybody may have made: only what we write there counts.
        asks = released.get("template") == {"suffix": ASKS}
        return {"template": {"suffix": ASKS} if asks else "auto", **{key: released[key] for key in (KEY,) if key in released}}
    run = run_above(folder) if folder.is_dir() else None
    return {} if run is None else read_mapping(run / "config.yaml")
