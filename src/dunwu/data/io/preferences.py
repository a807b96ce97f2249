"""Preference data from files: pairs of a preferred and a rejected answer, and answers labelled safe or unsafe.

A prompt is a text, or a conversation that ends with a user turn (a list of ``{"role", "content"}``). Rows have any form of
`dunwu.tasks.forms`: ``prompt``, ``chosen``, ``rejected`` and optionally ``margin``; or ``prompt``, ``completion``, ``label`` (``safe`` or
``unsafe``; TRL's true and false).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from dunwu.data.io.turns import ROLES, read_turn
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.tasks.forms import LABELLED, PAIRS, Form, form_of, in_form, renamed, unknown
from dunwu.tasks.rows import Row, local_rows
from dunwu.tasks.splits import split_of_text
from dunwu.text.surrogates import refuse_surrogates

HELD_OUT = frozenset({"test", "validation"})
LABELS = {"safe": True, "unsafe": False, "true": True, "false": False}


Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to a conversation, chains of thought included; ``margin``: by how much the chosen one is better."""

    prompt: Conversation
    chosen: str
    rejected: str
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer to a conversation, its chain of thought included, and whether it is safe."""

    prompt: Conversation
    completion: str
    safe: bool


AnyItem = TypeVar("AnyItem", Pair, LabelledAnswer)


@dataclass(frozen=True, slots=True)
class PreferenceData(Generic[AnyItem]):
    """Training and held-out items; no conversation is in both. ``leaked`` counts training rows dropped for that reason."""

    train: tuple[AnyItem, ...]
    held_out: tuple[AnyItem, ...]
    leaked: int


def read_pairs(path: Path, only: Mapping[str, str], columns: Mapping[str, str] = MappingProxyType({})) -> PreferenceData[Pair]:
    """All pairs of a file or folder whose columns have the values of ``only``; ``columns`` as in `renamed`.

    Raises ``DataError`` for a row that is not a pair."""
    return _read(path, only, columns, pair_of)


def read_labelled(path: Path, only: Mapping[str, str], columns: Mapping[str, str] = MappingProxyType({})) -> PreferenceData[LabelledAnswer]:
    """All labelled answers of a file or folder, as `read_pairs`."""
    return _read(path, only, columns, labelled_of)


def pair_row(pair: Pair) -> dict[str, Any]:
    """The row of a pair; `read_pairs` reads it back to an equal one."""
    prompt = [{"role": turn.role, "content": turn.content} for turn in pair.prompt]
    return {"prompt": prompt, "chosen": pair.chosen, "rejected": pair.rejected, "margin": pair.margin}


def user_turn(text: str) -> Conversation:
    """A conversation of one user turn."""
    return (Message("user", text),)


def _read(path: Path, only: Mapping[str, str], columns: Mapping[str, str], item_of: Callable[[Row], AnyItem]) -> PreferenceData[AnyItem]:
    rows = [renamed(row, columns) for row in local_rows(path) if all(str(row.columns.get(name)) == value for name, value in only.items())]
    if not rows:
        wanted = ", ".join(f"{name} = {value}" for name, value in only.items())
        raise DataError(f"{path} has no row with {wanted}: correct `only`")
    for row in rows:
        refuse_surrogates(row.columns, row.where)
    return split_items([(row, item_of(row)) for row in rows], path)


def split_items(items: Sequence[tuple[Row, AnyItem]], path: Path) -> PreferenceData[AnyItem]:
    """Training and held-out items: by the names of the files, else a tenth of the prompts by their hash, at least one.

    Raises ``DataError`` if one of the two has no items.
    """
    named = {row.split for row, _ in items}
    if by_name(named):
        held = {item.prompt for row, item in items if row.split in HELD_OUT}
    else:
        prompts = {item.prompt for _, item in items}
        held = {prompt for prompt in prompts if held_out_by_hash(prompt)} or {min(prompts, key=repr)} if len(prompts) > 1 else set()
    held_out = tuple(item for row, item in items if item.prompt in held and (row.split in HELD_OUT or not by_name(named)))
    train = tuple(item for _, item in items if item.prompt not in held)
    for name, found in (("training", train), ("held-out", held_out)):
        if not found:
            raise DataError(f"{path} has no {name} rows among its {len(items)}: add rows, or files named train and test")
    return PreferenceData(train, held_out, len(items) - len(train) - len(held_out))


def by_name(named: Set[str]) -> bool:
    """True if the names of the files, of which ``named`` are the splits, tell held-out rows from training rows."""
    return bool(named & HELD_OUT and named & {"train", "unnamed"})


def held_out_by_hash(prompt: Conversation) -> bool:
    """True for the tenth of all prompts on which a reward model is evaluated if no file is named after a split."""
    return split_of_text(text_of(prompt)) == "test"


def text_of(prompt: Conversation) -> str:
    """A conversation as one text."""
    return "\n".join(turn.content for turn in prompt)


def as_form(row: Row, forms: Sequence[Form]) -> Row:
    """The row in our columns. Raises ``DataError`` if it has none of ``forms``."""
    if (form := form_of(row.columns, forms)) is None:
        raise DataError(f"{row.where}: {unknown(row.columns, forms)}")
    return in_form(row, form)


def pair_of(row: Row) -> Pair:
    """The pair of a row. Raises ``DataError`` with the row and the remedy."""
    if form_of(row.columns, LABELLED) and not form_of(row.columns, PAIRS):
        raise DataError(f"{row.where}: it is one answer with a label, not a pair: set criterion to safety (--kind safety)")
    row = as_form(row, PAIRS)
    margin = _number(row.columns.get("margin"))
    if margin is None or margin == "":
        margin = 1.0
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not math.isfinite(margin) or margin < 0:
        raise DataError(f"{row.where}: margin is {margin!r}: give a number of at least 0, or leave the column out")
    return Pair(conversation_of(row), answer_of(row, "chosen"), answer_of(row, "rejected"), float(margin))


def _number(value: Any) -> Any:
    """The number in a text, as tables have it; other values unchanged."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def labelled_of(row: Row) -> LabelledAnswer:
    """The labelled answer of a row. Raises ``DataError`` with the row and the remedy."""
    if form_of(row.columns, PAIRS) and not form_of(row.columns, LABELLED):
        raise DataError(f"{row.where}: it is a pair without a label: set criterion to helpfulness (--kind helpfulness)")
    row = as_form(row, LABELLED)
    label = row.columns["label"]
    known = str(label).lower() if isinstance(label, bool) or label in ("True", "False", "TRUE", "FALSE") else label
    if not isinstance(known, str) or known not in LABELS:
        raise DataError(f"{row.where}: label is {label!r}: give 'safe' or 'unsafe' (or true and false)")
    return LabelledAnswer(conversation_of(row), answer_of(row, "completion"), LABELS[known])


def conversation_of(row: Row) -> Conversation:
    """The prompt of a row without the reasoning of earlier turns, which models do not see. Raises ``DataError`` if it is invalid."""
    prompt = _column(row, "prompt")
    if isinstance(prompt, str):
        return user_turn(prompt)
    turns = _turns(prompt, f"{row.where}: prompt")
    if not turns or turns[-1].role != "user":
        raise DataError(f"{row.where}: prompt is neither text nor a list of {{role, content}} that ends with a user turn: fix the row")
    return tuple(Message(turn.role, turn.content) for turn in turns)


def answer_of(row: Row, column: str) -> str:
    """The answer of a row: a text, or the last of several messages, if it is the assistant's, with its reasoning in think tags."""
    value = _column(row, column)
    turns = _turns(value, f"{row.where}: {column}")
    if turns and turns[-1].role == "assistant":
        answer, before = turns[-1], [turn.content for turn in turns[:-1]]
        if before and before != [turn.content for turn in conversation_of(row)][-len(before) :]:
            raise DataError(f"{row.where}: {column} has turns before its answer that are not in the prompt: move them there")
        return f"<think>{answer.reasoning}</think>{answer.content}" if answer.reasoning else answer.content
    if not isinstance(value, str):
        raise DataError(f"{row.where}: {column} is {type(value).__name__} instead of text: fix the row")
    return value


def _turns(value: Any, where: str) -> Conversation | None:
    """``value`` as a conversation, ``None`` if it is not one. Raises ``DataError`` for a turn with unknown keys."""
    if not isinstance(value, list) or not all(isinstance(turn, dict) and turn.get("role") in ROLES for turn in value):
        return None
    if not all(isinstance(turn.get("content"), str | list) for turn in value):
        return None
    return tuple(read_turn(turn, f"{where}[{place}]") for place, turn in enumerate(value))


def _column(row: Row, name: str) -> Any:
    if row.columns.get(name) is None:
        present = ", ".join(map(str, row.columns)) or "none"
        raise DataError(f"{row.where}: nothing in column {name} (columns: {present}): fill it or remove the row")
    return row.columns[name]
