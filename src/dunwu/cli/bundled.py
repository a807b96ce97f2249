"""The bundled base model's card and hash, without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dunwu.data.tiny_world.card import CARD, WEIGHTS, weights_hash
from dunwu.errors import ModelError
from dunwu.models.bundled import bundled_path

_REMEDY = "install Dunwu again, or make it with `dunwu pretrain --recipe tiny`"


def read_card(folder: Path | None = None) -> dict[str, Any]:
    """`card.json` beside the weights of `folder` (`None`: the bundled model). Raises `ModelError` when it is missing or corrupt."""
    path = (folder or bundled_path()) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: the bundled model's card cannot be read ({error.strerror}); {_REMEDY}") from None
    except ValueError:
        card = None
    if not isinstance(card, dict):
        raise ModelError(f"{path}: the bundled model's card is corrupt; {_REMEDY}")
    return card


def check_hash(folder: Path | None = None) -> str:
    """The SHA-256 of the weights. Raises `ModelError` when it differs from the card's or one of them is missing."""
    folder = folder or bundled_path()
    expected = read_card(folder).get("sha256")
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: the bundled weights are missing; {_REMEDY}")
    found = weights_hash(folder)
    if found != expected:
        raise ModelError(f"{path}: sha256 {found[:12]} is not the card's {str(expected)[:12]}; {_REMEDY}")
    return found
