"""Lone surrogates: half a character, which JSON can spell and neither a tokenizer nor a UTF-8 file can hold."""

from __future__ import annotations

import json
import re
from typing import Any

from dunwu.errors import DataError

_LONE = re.compile("[\ud800-\udfff]")


def has_surrogates(text: str) -> bool:
    """Whether a text has half a character."""
    return _LONE.search(text) is not None


def refuse_surrogates(value: Any, where: str) -> None:
    """Raise ``DataError`` that begins with ``where`` for a text, or anything with texts in it, that has half a character."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if found := _LONE.search(text):
        raise DataError(f"{where}: it has half a character ({found.group()!a}): fix it, or let a `clean` stage take it out")
