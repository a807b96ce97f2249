"""What the defaults of a command follow (`dunwu.config.defaults`), read from a model's files without loading it. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from dunwu.config.defaults import ModelFacts
from dunwu.models.bundled import bundled_path, trained_as
from dunwu.models.hub_ids import local_folder
from dunwu.process.hub import hub_file
from dunwu.text.answer_forms import KEY

_SMALL = 2_000_000
"""Bytes of a tokenizer.json that may be the tiny world's, which has 60,000."""
_FIRST = 6
"""Tokens with which every vocabulary of the tiny world begins: the end, padding and the four tags."""


def model_facts(name_or_path: str, fetch: bool = False) -> ModelFacts:
    """The facts of a model. Of a hub model only its chat template is known, if it is cached or with ``fetch``.

    Raises ``ModelError`` for what can be no model.
    """
    folder = local_folder(name_or_path)
    if folder is None:
        return ModelFacts(tiny=False, chat=_has_chat_template(lambda file: hub_file(name_or_path, file, fetch)))
    positions = _read(folder / "config.json").get("max_position_embeddings")
    tiny = _first_tokens(folder) == _first_tokens(bundled_path())
    trained, chat = trained_as(name_or_path), _has_chat_template(lambda file: folder / file)
    return ModelFacts(tiny, trained.get("template"), positions if isinstance(positions, int) else None, chat, trained.get(KEY))


def _has_chat_template(file: Callable[[str], Path | None]) -> bool:
    config, jinja = file("tokenizer_config.json"), file("chat_template.jinja")
    return bool(jinja and jinja.is_file()) or bool(config and _read(config).get("chat_template"))


def _first_tokens(folder: Path) -> frozenset[str]:
    file = folder / "tokenizer.json"
    return _vocabulary_start(file, file.stat().st_mtime_ns) if file.is_file() and file.stat().st_size < _SMALL else frozenset()


@lru_cache(maxsize=8)
def _vocabulary_start(file: Path, changed: int) -> frozenset[str]:
    model = _read(file).get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    return frozenset(token for token, index in vocabulary.items() if index < _FIRST) if isinstance(vocabulary, dict) else frozenset()


def _read(file: Path) -> dict[str, Any]:
    """A JSON file as a mapping; empty if it is not one, which loading the model will say."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
