"""Lone surrogates: half characters, which JSON can represent but tokenizers and UTF-8 files cannot."""

from __future__ import annotations

import json
import re
from typing import Any

from dunwu.errors import DataError

_LONE = re.compile("[\ud800-\udfff]")


def has_surrogates(text: str) -> bool:
    """True if a text contains half a character."""
    return _LONE.search(text) is not None


def refuse_surrogates(value: Any, where: str) -> None:
    """Raise ``DataError``, prefixed with ``where``, if a text or any text inside ``value`` contains half a character."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if found := _LONE.search(text):
        raise DataError(f"{where}: it has half a character ({found.group()!a}): fix it, or remove it with a `clean` stage")
