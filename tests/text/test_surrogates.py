"""Half a character is refused wherever it stands; a whole one written as two halves in JSON is none."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from dunwu.errors import DataError
from dunwu.text.surrogates import refuse_surrogates


@pytest.mark.parametrize("value", ["a\ud83d", ["x", {"y": "\udc00"}], {"\ud83d": 1}])
def test_half_a_character_is_told_with_its_place(value: Any) -> None:
    with pytest.raises(DataError, match=r"^rows\.jsonl, row 3: it has half a character \('\\u(d83d|dc00)'\): fix it"):
        refuse_surrogates(value, "rows.jsonl, row 3")


@pytest.mark.parametrize("value", ["", json.loads('"\\ud83d\\ude00"'), {"day": date(2025, 1, 20), "n": [1, None, "答"]}])
def test_whole_text_is_let_through(value: Any) -> None:
    refuse_surrogates(value, "here")
