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


def as_utf8(text: str) -> str:
    """``text`` with a question mark for each half character, which byte fallback may produce."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def as_json(value: Any, **options: Any) -> str:
    """JSON that UTF-8 can hold: as it is read, or with every character escaped if there is half a one, so that none is lost."""
    text = json.dumps(value, ensure_ascii=False, **options)
    return json.dumps(value, **options) if has_surrogates(text) else text


def refuse_surrogates(value: Any, where: str) -> None:
    """Raise ``DataError``, prefixed with ``where``, if a text or any text inside ``value`` contains half a character."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if found := _LONE.search(text):
        raise DataError(f"{where}: it has half a character ({found.group()!a}): fix it, or remove it with a `clean` stage")
