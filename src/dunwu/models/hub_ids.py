"""Models and data sets by name: local, or of the hub. Decided before torch is imported, so that a mistake is answered at once."""

from __future__ import annotations

import re
from pathlib import Path

from dunwu.config.base import Config
from dunwu.config.recipes import bundled_recipes
from dunwu.config.references import references
from dunwu.errors import ModelError
from dunwu.models.bundled import BUNDLED_NAME, bundled_path, newest_checkpoint
from dunwu.process.hub import ask_early, hub_answers, is_cached
from dunwu.tasks.dataset import resolve
from dunwu.tasks.rows import check_hub_reader

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def local_folder(name_or_path: str) -> Path | None:
    """The folder of a local model, ``None`` for a hub id. Raises ``ModelError`` for what can be neither."""
    if name_or_path == BUNDLED_NAME:
        return bundled_path()
    folder = Path(name_or_path).expanduser()
    if name_or_path and folder.is_dir():
        if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
            raise ModelError(f"model {name_or_path!r} is a LoRA adapter alone: merge it into its base first, by peft's merge_and_unload")
        return newest_checkpoint(folder)
    if name_or_path and folder.exists():
        if folder.suffix == ".gguf":
            raise ModelError(f"model {name_or_path!r} is a GGUF file: import it first, dunwu import {name_or_path} --out FOLDER")
        raise ModelError(f"model {name_or_path!r} is a file; give the folder that holds config.json")
    if name_or_path in bundled_recipes():
        raise ModelError(f"{name_or_path!r} is a recipe, not a model; give it with --recipe {name_or_path}")
    if _HUB_ID.fullmatch(name_or_path) is None:
        raise ModelError(f"no model folder {name_or_path!r}; give `{BUNDLED_NAME}`, an existing folder or a hub id (owner/name)")
    return None


def check_names(config: Config, fetch: bool = True) -> None:
    """Checks the models that a configuration names. With ``fetch`` also that data sets of the hub can be read; asks the hub early."""
    for _, name, kind in references(config):
        if kind == "model":
            check_model(name, fetch)
        elif fetch and kind == "data" and not isinstance(source := resolve(name), Path):
            check_hub_reader(source[0])
            ask_early()


def check_model(name_or_path: str, fetch: bool = True) -> None:
    """Raises ``ModelError`` for a name that is neither a model's folder nor a hub id.

    With ``fetch`` also for a hub model that is not cached while the hub is silent.
    """
    folder = local_folder(name_or_path)
    if folder is not None and not (folder / "config.json").is_file():
        raise ModelError(f"no config.json in {folder}; a Hugging Face model folder has one")
    if folder is None and fetch and not is_cached(name_or_path) and not hub_answers():
        raise ModelError(
            f"no folder {name_or_path!r}, and as a hub model it cannot be fetched: the hub does not answer, and no copy is in the cache;"
            " check the name or the network"
        )
