"""Rows in the shape of problems: a statement from several columns, options with letters, one gold for all, and the rows that are wanted.

The keys are those of `DatasetTask`; a task that sets none of them has its rows unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

from dunwu.config.tasks import CodeTask, DatasetTask, HeldOutSplit
from dunwu.errors import DataError
from dunwu.tasks.columns import cell, filled, has, is_empty, kind_of, missing
from dunwu.tasks.forms import ANSWER_COLUMNS, PROBLEM_COLUMNS
from dunwu.tasks.gold import cell_text
from dunwu.tasks.rows import Row

LETTERS = "ABCDEFGHIJ"
OPTIONS = "options"
"""In a statement, the place of the options; in a shaped row, their texts by letter."""
_PLACE = re.compile(r"\{([^{}]+)\}")


def is_shaped(config: DatasetTask) -> bool:
    """True if the task says how its rows become problems."""
    return bool(config.statement or config.option_columns or config.gold)


def as_read(config: DatasetTask) -> DatasetTask:
    """The task as shaped rows are read."""
    return config.model_copy(update={"problem_column": "problem", "answer_column": "answer"}) if is_shaped(config) else config


def wanted_rows(rows: Sequence[Row], config: DatasetTask) -> list[Row]:
    """The rows of the wanted split with the wanted values, in shape. Raises ``DataError`` if none are left, or one lacks a column."""
    chosen = [row for row in of_split(rows, config.only_split) if _wanted(row, config.only)]
    if not chosen:
        values = ", ".join(f"{name} = {value}" for name, value in config.only.items())
        raise DataError(f"{config.path} has no rows with {values}: correct the task's `only`")
    return [shaped(row, config) for row in chosen]


def of_split(rows: Sequence[Row], split: HeldOutSplit | None) -> list[Row]:
    """The rows that are named after ``split``, or all if none is, as rows of it; with ``None`` the rows unchanged."""
    if split is None:
        return list(rows)
    named = [row for row in rows if row.split == split]
    return [replace(row, split=split) for row in named or rows]


def _wanted(row: Row, only: Mapping[str, str]) -> bool:
    return all(cell_text(cell(row.columns, name)) == value for name, value in only.items())


def shaped(row: Row, config: DatasetTask) -> Row:
    """The row with `problem`, `answer` and, of a multiple-choice question, `options`. Raises ``DataError`` for a missing column."""
    if not is_shaped(config):
        return row
    options, right = _options(row, config)
    columns = {**row.columns, **({OPTIONS: options} if options else {})}
    columns["problem"] = _statement(row, config, options)
    columns["answer"] = config.gold or right or _given(row, config)
    return replace(row, columns=columns)


def _statement(row: Row, config: DatasetTask, options: Mapping[str, str]) -> str:
    listed = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    if config.statement is None:
        return "\n\n".join(filter(None, (_question(row, config), listed)))

    def value(match: re.Match[str]) -> str:
        return listed if match[1] == OPTIONS and options else _text(row, match[1])

    return _PLACE.sub(value, config.statement).strip()


def _question(row: Row, config: DatasetTask) -> str:
    names = (config.problem_column,) if config.problem_column else PROBLEM_COLUMNS
    return _text(row, filled(row.columns, names) or names[0])


def _text(row: Row, column: str) -> str:
    """A cell as text. Raises ``DataError`` if there is none."""
    if not has(row.columns, column):
        listed, near = missing(row.columns, [column])
        raise DataError(f"{row.where}: no column {column} (columns: {listed}): {f'did you mean {near}?' if near else 'name the right one'}")
    value = cell(row.columns, column)
    text = cell_text(value)
    if text is None and not is_empty(value):
        raise DataError(f"{row.where}: {kind_of(value)} instead of text in column {column}: name a column inside it, such as {column}.0")
    return (text or "").strip()


def _given(row: Row, config: DatasetTask) -> Any:
    """The answer as the row has it."""
    return cell(row.columns, filled(row.columns, _answer_columns(config)) or "")


def _answer_columns(config: DatasetTask) -> tuple[str, ...]:
    return (config.answer_column,) if config.answer_column else ANSWER_COLUMNS


def _options(row: Row, config: DatasetTask) -> tuple[dict[str, str], str]:
    """The texts of the options by letter, and the letter of the right one; both empty if the task has none."""
    texts = _option_texts(row, config.option_columns)
    if not texts:
        return {}, ""
    if config.answer_column in config.option_columns:
        place, order = config.option_columns.index(config.answer_column), list(range(len(texts)))
        # Known for each question by itself, so that neither other rows nor a seed change it.
        Random(sha256(_question(row, config).encode("utf-8", "surrogatepass")).hexdigest()).shuffle(order)
        return dict(zip(LETTERS, (texts[each] for each in order), strict=False)), LETTERS[order.index(place)]
    right = _right(row, _given(row, config), texts)
    return dict(zip(LETTERS, texts, strict=False)), "" if right is None else LETTERS[right]


def _option_texts(row: Row, columns: Sequence[str]) -> list[str]:
    if len(columns) == 1 and not isinstance(listed := cell(row.columns, columns[0]), str) and hasattr(listed, "__iter__"):
        texts = [cell_text(each) or "" for each in listed]
    else:
        texts = [_text(row, name) for name in columns]
    if columns and (len(texts) < 2 or len(texts) > len(LETTERS) or not all(texts)):
        raise DataError(f"{row.where}: {len([each for each in texts if each])} options: give 2 to {len(LETTERS)}, none of them empty")
    return texts


def _right(row: Row, answer: Any, texts: Sequence[str]) -> int | None:
    """The place of the right option; ``None`` if the row has no answer, which whoever reads it says."""
    if isinstance(answer, int) and not isinstance(answer, bool):
        place = answer if 0 <= answer < len(texts) else None
    else:
        said = (cell_text(answer) or "").strip()
        if not said:
            return None
        letter = LETTERS[: len(texts)].find(said.upper()) if len(said) == 1 else -1
        place = letter if letter >= 0 else texts.index(said) if said in texts else None
    if place is None:
        shown = str(answer)[:40]
        raise DataError(f"{row.where}: answer {shown!r} is none of the {len(texts)} options: give a letter, its text or its number from 0")
    return place


def code_rows_of(rows: Sequence[Row], config: CodeTask) -> list[Row]:
    """The rows of the wanted split of a code data set, by their own column `split` too."""
    if config.only_split is None:
        return list(rows)
    own = [row for row in rows if row.columns.get("split") == config.only_split]
    return [replace(row, split=config.only_split) for row in own] or of_split(rows, config.only_split)
