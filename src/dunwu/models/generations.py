"""Saved configurations that both transformers 4 and 5 can read: keys that moved are written in both places.

transformers 4 does not know ``rope_parameters`` and would silently use its default base of 10,000; nor does it know the generic tokenizer
class of transformers 5 or its list of special tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG, TOKENIZER = "config.json", "tokenizer_config.json"
_MOVED = ("rope_theta", "partial_rotary_factor")
"""Keys of ``rope_parameters`` that were at the top level of the configuration; the others were in ``rope_scaling``."""


def write_for_both(folder: Path, dtype: str) -> None:
    """Rewrite the configurations of a model and tokenizer saved by transformers 5 in ``folder``; ``dtype`` is that of the weights."""
    _rewrite(folder / CONFIG, lambda config: _with_both_ropes(config) | {"dtype": dtype, "torch_dtype": dtype})
    _rewrite(folder / TOKENIZER, _known_to_both)


def _with_both_ropes(config: dict[str, Any]) -> dict[str, Any]:
    rope = config.get("rope_parameters")
    if not rope or any(isinstance(value, Mapping) for value in rope.values()):
        return config  # none, or one per layer type, which transformers 4 cannot express
    scaling = {name: value for name, value in rope.items() if name not in _MOVED}
    moved = {name: rope[name] for name in _MOVED if name in rope}
    return {**config, **moved, "rope_scaling": None if scaling.get("rope_type", "default") == "default" else scaling}


def _known_to_both(config: dict[str, Any]) -> dict[str, Any]:
    changed = dict(config)
    if changed.get("tokenizer_class") == "TokenizersBackend":
        changed["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(changed.get("extra_special_tokens"), list):
        changed["additional_special_tokens"] = changed.pop("extra_special_tokens")
    return changed


def _rewrite(path: Path, change: Any) -> None:
    config = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
