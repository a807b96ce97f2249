"""Rows of supervised fine-tuning as conversations: ``messages``, or ``prompt`` and ``completion``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

from dunwu.data.surrogates import refuse_surrogates
from dunwu.errors import DataError
from dunwu.models.chat import Message, Role
from dunwu.tasks.rows import Row

REASONING_KEY = "reasoning_content"
ROLES = get_args(Role)
TAGS = ("<think>", "</think>")


def conversation(row: Row) -> tuple[Message, ...]:
    """The turns of a row.

    Of ``messages`` every assistant's turn is learned; of ``prompt`` and ``completion``, each a text or a list of messages, only those of
    the completion. Reasoning stands in the content, or beside it as ``reasoning_content``.
    Raises ``DataError`` with the row and the remedy.
    """
    columns = row.columns
    if columns.get("messages") is not None:
        messages = _messages(columns["messages"], "user", "messages", row)
    elif columns.get("prompt") is not None and columns.get("completion") is not None:
        prompt = _messages(columns["prompt"], "user", "prompt", row)
        messages = [Message(m.role, m.content, m.reasoning, learned=False) for m in prompt]
        messages += _messages(columns["completion"], "assistant", "completion", row)
    else:
        raise _mistake(row, f"no column messages, and not both of prompt and completion (columns: {', '.join(columns)}); rename them")
    if messages[0].role == "assistant":
        raise _mistake(row, "it begins with an assistant's turn; begin with a user's, which may be empty")
    if not any(message.role == "assistant" and message.learned for message in messages):
        raise _mistake(row, "it has no assistant's turn to learn; add one or drop the row")
    for place, (before, after) in enumerate(pairwise(messages), 2):
        if before.role == after.role:
            raise _mistake(row, f"turn {place} is the {after.role}'s, as the one before it; join the two or put in what was between")
    return tuple(messages)


def _messages(value: Any, role: Role, column: str, row: Row) -> list[Message]:
    """The turns in a column; a text is one turn of ``role``."""
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    if not isinstance(value, list) or not value:
        raise _mistake(row, f"{column} is {_short(value)}; give a list of {{role, content}}")
    return [_message(turn, f"{column}[{place}]", place, row) for place, turn in enumerate(value)]


def _message(turn: Any, where: str, place: int, row: Row) -> Message:
    if not isinstance(turn, dict):
        raise _mistake(row, f"{where} is {_short(turn)}; give {{role, content}}")
    role: Any = turn.get("role")
    content, reasoning = turn.get("content"), turn.get(REASONING_KEY)
    if role not in ROLES:
        raise _mistake(row, f"{where} has the role {_short(role)}; the roles are {', '.join(ROLES)}")
    if role == "system" and place > 0:
        raise _mistake(row, f"{where} is a system's turn behind another; put it first or drop it")
    if not isinstance(content, str) or not isinstance(reasoning, str | None):
        key, value = (REASONING_KEY, reasoning) if isinstance(content, str) else ("content", content)
        raise _mistake(row, f"{where}: content and {REASONING_KEY} must be text, and {key} is {_short(value)}; write it as text")
    refuse_surrogates(f"{reasoning or ''}{content}", f"{row.where}: {where}")
    if role != "assistant":
        return Message(role, content)
    return _answer(content, reasoning or "", where, row)


def _answer(content: str, reasoning: str, where: str, row: Row) -> Message:
    if not content and not reasoning:
        raise _mistake(row, f"{where} is empty, which would teach to say nothing; drop the row")
    if reasoning and any(tag in text for tag in TAGS for text in (content, reasoning)):
        raise _mistake(row, f"{where} has both {REASONING_KEY} and think tags in its text; give the reasoning once, without tags")
    return Message("assistant", content, reasoning)


def _mistake(row: Row, what: str) -> DataError:
    return DataError(f"{row.where}: {what}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
