"""The files of a model's folder: JSON, and weights in safetensors, sharded or not. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dunwu.errors import ModelError

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's folder. Raises ``ModelError`` if there are none, or the list of shards is corrupt."""
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        shards = read_json(index, "it lists the shards").get("weight_map")
        if not (isinstance(shards, dict) and shards and all(Path(str(name)).name == name for name in shards.values())):
            raise ModelError(f"{index}: weight_map must give the name of a file beside it for each of the weights; download it again")
        if (folder / WEIGHTS).is_file() and WEIGHTS not in shards.values():  # transformers loads the one, vLLM the others
            raise ModelError(f"{folder} has {WEIGHTS}, and {index.name} lists others; remove the weights of the earlier save")
        return [folder / name for name in sorted(set(shards.values()))]
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    pickled = " (pickled weights are never loaded; convert them)" if any(folder.glob("*.bin")) else ""
    raise ModelError(f"no {WEIGHTS} in {folder}{pickled}; save the weights as safetensors")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """A JSON object. Raises ``ModelError`` with the ``remedy`` if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"no {path.name} in {path.parent}; {remedy}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({first_line(error)}); it must be JSON") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}; it must be a JSON object")
    return content


def first_line(error: BaseException) -> str:
    """An error of a library in one line."""
    text = f"unknown {error}" if isinstance(error, KeyError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])[:200]
