"""Rows of supervised fine-tuning as conversations: ``messages``, or ``prompt`` and ``completion``."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

from dunwu.data.io.turns import MASK_KEYS, REASONING_KEY, REASONING_KEYS, is_empty, one_reasoning, read_turn, short
from dunwu.errors import DataError
from dunwu.models.chat import Message, Role
from dunwu.tasks.rows import Row
from dunwu.text.surrogates import refuse_surrogates

SYSTEM_COLUMNS = ("system", "system_prompt", "system_message")
TOOL_COLUMNS = ("tools", "functions", "tool_calls", "documents")


def conversation(row: Row) -> tuple[Message, ...]:
    """The turns of a row.

    Of ``messages`` every assistant's turn is learned; of ``prompt`` and ``completion``, each a text or a list of messages, only those of
    the completion. Reasoning stands in the content, or beside it under one of `REASONING_KEYS`; a turn with ``weight: 0`` (`MASK_KEYS`) is
    not learned.
    Raises ``DataError`` with the row and the remedy.
    """
    columns = row.columns
    if columns.get("messages") is not None:
        messages = _messages(_parsed(columns["messages"], row), "user", "messages", row)
        _refuse_second(row, messages)
    elif columns.get("prompt") is not None and columns.get("completion") is not None:
        prompt = _messages(columns["prompt"], "user", "prompt", row)
        messages = [replace(message, learned=False) for message in prompt]
        messages += _with_reasoning(_messages(columns["completion"], "assistant", "completion", row), row)
    else:
        raise _mistake(row, f"no column messages, and not both of prompt and completion (columns: {', '.join(columns)}); rename them")
    _refuse_columns(row, messages)
    if messages[0].role == "assistant":
        raise _mistake(row, "it begins with an assistant's turn; begin with a user's, which may be empty")
    if not any(message.role == "assistant" and message.learned for message in messages):
        raise _mistake(row, "it has no assistant's turn to learn; add one or drop the row")
    for place, (before, after) in enumerate(pairwise(messages), 2):
        if before.role == after.role:
            raise _mistake(row, f"turn {place} is the {after.role}'s, as the one before it; join the two or put in what was between")
    return tuple(messages)


def _parsed(value: Any, row: Row) -> Any:
    """The list that a text of JSON holds, as Parquet exports write it; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise _mistake(row, f"messages is the text {short(value)} and no JSON list; give a list of {{role, content}}")
    return found


def _refuse_second(row: Row, messages: list[Message]) -> None:
    """A ``prompt`` or ``completion`` beside ``messages`` must be one of its turns: otherwise it would be lost."""
    said = {message.content.strip() for message in messages}
    for name in ("prompt", "completion"):
        value = row.columns.get(name)
        texts = [turn.get("content") if isinstance(turn, dict) else turn for turn in value] if isinstance(value, list) else [value]
        if not is_empty(value) and not all(isinstance(text, str) and text.strip() in said for text in texts):
            raise _mistake(row, f"it has messages and also {name}, which is none of their turns; drop one of the two columns")


def _with_reasoning(completion: list[Message], row: Row) -> list[Message]:
    """A completion that is a text may have its reasoning in a column of its own."""
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
        raise _mistake(row, f"{where} is a system's turn behind another; put it first or drop it")
    refuse_surrogates(f"{message.reasoning}{message.content}", f"{row.where}: {where}")
    return message


def _refuse_columns(row: Row, messages: list[Message]) -> None:
    """Columns beside the conversation that belong into it: what they say would be lost."""
    columns = row.columns
    said = "\n".join(f"{message.reasoning}\n{message.content}" for message in messages)
    for name in (*REASONING_KEYS, *SYSTEM_COLUMNS):
        text = columns.get(name)
        if not is_empty(text) and not isinstance(text, bool | int | float) and not (isinstance(text, str) and text.strip() in said):
            remedy = f"as {REASONING_KEY} of its turn" if name in REASONING_KEYS else "as the first turn"
            raise _mistake(row, f"the column {name} is not part of the conversation; put it there {remedy}, or drop the column")
    for name in TOOL_COLUMNS:
        if not is_empty(columns.get(name)) and columns[name] != "[]":
            raise _mistake(row, f"the column {name} is not read and might change what is learned; drop it, or write it into a turn")
    for name in MASK_KEYS:
        value = columns.get(name)
        if isinstance(value, bool | int | float) and (not value or (name == "weight" and value != 1)):
            raise _mistake(row, f"{name} is {value!r} for the whole row, which is not read; drop the row, or give {name} to single turns")


def _mistake(row: Row, what: str) -> DataError:
    return DataError(f"{row.where}: {what}")
