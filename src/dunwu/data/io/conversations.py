"""Rows of supervised fine-tuning as conversations, from any form of `dunwu.tasks.forms.CONVERSATIONS`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from dunwu.data.io.turns import MASK_KEYS, REASONING_KEY, REASONING_KEYS, is_empty, one_reasoning, read_turn, short
from dunwu.errors import DataError
from dunwu.models.chat import Message, Role
from dunwu.tasks.forms import CONVERSATIONS, SYSTEM_COLUMNS, TEXT, form_of, in_form, unknown
from dunwu.tasks.rows import Row
from dunwu.text.surrogates import refuse_surrogates

TOOL_COLUMNS = ("tools", "functions", "tool_calls", "documents")
BAD_LABELS = ("False", "false", "unsafe")


def conversation(row: Row) -> tuple[Message, ...]:
    """The turns of a row. Raises ``DataError`` with the row and the remedy.

    All assistant turns of ``messages`` are learned. ``prompt`` and ``completion`` are each a text or a list of messages, and only the
    completion's turns are learned. Reasoning is in the content, or beside it under one of `REASONING_KEYS`; a turn with ``weight: 0``
    (`MASK_KEYS`) is not learned. A ``text`` is an assistant turn alone.
    """
    form = form_of(row.columns, CONVERSATIONS)
    if form is None:
        raise _mistake(row, f"{unknown(row.columns, CONVERSATIONS)}")
    row = in_form(row, form)
    columns = row.columns
    if form is TEXT:
        return (_document(columns["text"], row),)
    if columns.get("messages") is not None:
        messages = _messages(_parsed(columns["messages"], row), "user", "messages", row)
        _refuse_second(row, messages)
    else:
        prompt = _messages(columns["prompt"], "user", "prompt", row)
        messages = [replace(message, learned=False) for message in prompt]
        messages += _with_reasoning(_messages(columns["completion"], "assistant", "completion", row), row)
    _refuse_columns(row, messages)
    if messages[0].role == "assistant":
        raise _mistake(row, "it starts with an assistant turn; start with a user turn, which may be empty")
    if not any(message.role == "assistant" and message.learned for message in messages):
        raise _mistake(row, "it has no assistant turn to learn; add one or drop the row")
    for place, (before, after) in enumerate(pairwise(messages), 2):
        if before.role == after.role:
            raise _mistake(row, f"turn {place} has the role {after.role}, as the one before it; join the two or add the missing turn")
    return tuple(messages)


def is_bad(row: Row) -> bool:
    """True for an answer that its label calls bad (TRL's unpaired preferences, safety labels)."""
    return str(row.columns.get("label")) in BAD_LABELS


def is_document(messages: Sequence[Message]) -> bool:
    """True for plain text, which is trained on without a template."""
    return len(messages) == 1 and messages[0].role == "assistant"


def _document(text: Any, row: Row) -> Message:
    if not isinstance(text, str) or not text.strip():
        raise _mistake(row, f"text is {short(text)}; fill it or drop the row")
    refuse_surrogates(text, f"{row.where}: text")
    return Message("assistant", text)


def _parsed(value: Any, row: Row) -> Any:
    """The list in a JSON text, as Parquet exports write it; other values unchanged."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        python = " (single quotes are Python's; write it with json.dumps)" if value.startswith("[{'") else ""
        raise _mistake(row, f"messages is the text {short(value)}, not a JSON list{python}; give a list of {{role, content}}")
    return found


def _refuse_second(row: Row, messages: list[Message]) -> None:
    """Refuse a ``prompt`` or ``completion`` beside ``messages`` that is not one of its turns, since it would be lost."""
    said = {message.content.strip() for message in messages}
    for name in ("prompt", "completion"):
        value = row.columns.get(name)
        texts = [turn.get("content") if isinstance(turn, dict) else turn for turn in value] if isinstance(value, list) else [value]
        if not is_empty(value) and not all(isinstance(text, str) and text.strip() in said for text in texts):
            raise _mistake(row, f"it has messages and also {name}, which is not one of their turns; drop one of the two columns")


def _with_reasoning(completion: list[Message], row: Row) -> list[Message]:
    """The completion with its reasoning, which may be in a separate column if the completion is a text."""
    content = row.columns["completion"]
    if not isinstance(content, str):
        return completion
    texts = [(key, text) for key in REASONING_KEYS if isinstance(text := row.columns.get(key), str) and text.strip() not in content]
    reasoning = one_reasoning(texts, row.where)
    turn = {"role": "assistant", "content": content, REASONING_KEY: reasoning}
    return [_message(turn, "completion[0]", 0, row)] if reasoning else completion


def _messages(value: Any, role: Role, column: str, row: Row) -> list[Message]:
    """The turns in a column; a text is one turn of ``role``."""
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    if not isinstance(value, list) or not value:
        raise _mistake(row, f"{column} is {short(value)}; give a list of {{role, content}}")
    return [_message(turn, f"{column}[{place}]", place, row) for place, turn in enumerate(value)]


def _message(turn: Any, where: str, place: int, row: Row) -> Message:
    message = read_turn(turn, f"{row.where}: {where}")
    if message.role == "system" and place > 0:
        raise _mistake(row, f"{where} is a system turn after another turn; put it first or drop it")
    refuse_surrogates(f"{message.reasoning}{message.content}", f"{row.where}: {where}")
    return message


def _refuse_columns(row: Row, messages: list[Message]) -> None:
    """Refuse columns that belong to the conversation but are not in it, since they would be lost."""
    columns = row.columns
    said = "\n".join(f"{message.reasoning}\n{message.content}" for message in messages)
    for name in (*REASONING_KEYS, *SYSTEM_COLUMNS):
        text = columns.get(name)
        if not is_empty(text) and not isinstance(text, bool | int | float) and not (isinstance(text, str) and text.strip() in said):
            remedy = f"as {REASONING_KEY} of its turn" if name in REASONING_KEYS else "as the first turn"
            raise _mistake(row, f"the column {name} is not part of the conversation; add it {remedy}, or drop the column")
    for name in TOOL_COLUMNS:
        if not is_empty(columns.get(name)) and columns[name] != "[]":
            raise _mistake(row, f"the column {name} is not read and might change what is learned; drop it, or write it into a turn")
    if is_bad(row):
        raise _mistake(row, f"label is {columns['label']!r}: the answer is a bad one; drop such rows, or the column")
    for name in MASK_KEYS:
        value = columns.get(name)
        if isinstance(value, bool | int | float) and (not value or (name == "weight" and value != 1)):
            raise _mistake(row, f"{name} is {value!r} for the whole row, which is not read; drop the row, or give {name} to single turns")


def _mistake(row: Row, what: str) -> DataError:
    return DataError(f"{row.where}: {what}")
