"""The question, reasoning and answer of a row in any known format."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from dunwu.data.builders.drafts import Draft, language_of
from dunwu.data.io.conversations import conversation
from dunwu.tasks.forms import ANSWER_COLUMNS, WORKED_COLUMNS
from dunwu.tasks.rows import Row
from dunwu.text.surrogates import refuse_surrogates

CONVERSATION_COLUMNS = ("messages", "completion")
QUESTION_COLUMNS = ("problem", "question", "prompt")


def as_draft(row: Row) -> Draft:
    """The row as a draft with all its columns; of several answers the one that fine-tuning learns.

    Raises ``DataError`` with the row if its format is unknown.
    """
    columns = row.columns
    refuse_surrogates(columns, row.where)
    question = next((columns[key] for key in QUESTION_COLUMNS if isinstance(columns.get(key), str)), None)
    if question is not None and not any(columns.get(key) is not None for key in CONVERSATION_COLUMNS):
        answer = next((str(columns[key]) for key in (*WORKED_COLUMNS, *ANSWER_COLUMNS) if columns.get(key) is not None), "")
        return Draft(question, "", answer, _source(row), language_of(question, "en"), columns)
    turns = conversation(row)
    question = "\n".join(turn.content for turn in turns if turn.role != "assistant")
    reasoning = "\n\n".join(turn.reasoning for turn in turns if turn.reasoning)
    reply = "\n".join(turn.content for turn in turns if turn.role == "assistant")
    return Draft(question, reasoning, reply, _source(row), language_of(question, "en"), columns)


def normalised(value: Any) -> Any:
    """``value`` with all its texts normalised: NFC, line ends as ``\\n``, no control characters, no white space at either end."""
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value).replace("\r\n", "\n").replace("\r", "\n")
        return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")).strip()
    if isinstance(value, Mapping):
        return {key: normalised(inner) for key, inner in value.items()}
    return [normalised(inner) for inner in value] if isinstance(value, list) else value


def _source(row: Row) -> str:
    return str(row.columns.get("source") or "unnamed")
