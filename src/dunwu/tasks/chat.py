"""General prompts: questions that rules cannot verify, for reward models (DeepSeek-R1, section 2.3.4).

A row has ``prompt`` (text, or a list with one user turn), ``messages`` (that turn, and optionally an answer), or another form of one
question (`dunwu.tasks.forms`), and optionally ``reference``, ``category``, ``language`` and ``harmful``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from dunwu.config.tasks import ChatTask, DatasetTask
from dunwu.errors import DataError
from dunwu.tasks.base import Finite, HeldOut, drawn, permuted, read_rows
from dunwu.tasks.dataset import problem_text
from dunwu.tasks.forms import CONVERSATIONS, TEXT, as_turns, asked, form_of, in_form
from dunwu.tasks.row_splits import counts_in_words, split_rows
from dunwu.tasks.rows import Row, local_rows
from dunwu.types import Language, Problem, Split


class Chat(Finite):
    """Rows of a file or folder, all read and checked when it is made. Splits follow file names, else the hash of the prompt."""

    def __init__(self, config: ChatTask) -> None:
        self.name = config.name
        self._config = config
        wanted = [row for row in local_rows(Path(config.path).expanduser()) if _wanted(row, config.categories)]
        rows, self.unreadable = read_rows(wanted, partial(_checked, config=config), config.unusable == "drop", config.path)
        found = split_rows(rows, lambda row: str(row.columns["prompt"]).strip())
        distinct = found.distinct()
        self._problems = {split: [_problem(row, config) for _, row in members] for split, members in distinct.items()}
        repeated = len(rows) - sum(map(len, distinct.values()))
        counts = counts_in_words({split: len(members) for split, members in distinct.items()})
        self.splits = f"{Path(config.path).name}: {counts} ({found.how})" + (f"; {repeated:,} repeated dropped" if repeated else "")

    def train(self, index: int, seed: int) -> Problem:
        """An epoch is one pass over the training rows in a random order."""
        problems = self._of("train")
        return problems[permuted(index, len(problems), seed)[1]]

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Rows of ``split`` in order, or a random sample of ``limit`` if there are more."""
        problems = self._of(split)
        return drawn(problems, limit, f"{seed}-{split}-chat")

    def _of(self, split: Split) -> list[Problem]:
        if not self._problems[split]:
            counts = ", ".join(f"{name} {len(members)}" for name, members in self._problems.items())
            which = f" of the categories {', '.join(self._config.categories)}" if self._config.categories else ""
            raise DataError(f"{self._config.path} has no {split} rows{which} ({counts}): add rows, or a file named {split}")
        return self._problems[split]


def _checked(row: Row, config: ChatTask) -> Row:
    """The row in plain form. Raises `DataError` if it is not a problem."""
    plain = _plain(row)
    problem_text(plain, DatasetTask(path=config.path, problem_column="prompt"))
    _problem(plain, config)
    return plain


def _wanted(row: Row, categories: tuple[str, ...]) -> bool:
    return not categories or row.columns.get("category") in categories


def _plain(row: Row) -> Row:
    """The row with its prompt as one text, and the answer in its messages, if any, as the reference."""
    row = _in_our_columns(row)
    column = "prompt" if row.columns.get("prompt") is not None else "messages"
    found = as_turns(row.columns.get(column)) if column == "messages" else row.columns.get(column)
    columns = {name: value for name, value in row.columns.items() if name != "messages"}
    if not isinstance(found, str):
        question, answer = _turns(found, row.where, column)
        columns.setdefault("reference", answer)
        found = question
    return replace(row, columns={**columns, "prompt": found})


def _in_our_columns(row: Row) -> Row:
    """A row of another form (`dunwu.tasks.forms`) with a prompt or messages; its answer, if it has one, is the reference."""
    columns = row.columns
    if columns.get("prompt") is not None or columns.get("messages") is not None:
        return row
    form = form_of(columns, CONVERSATIONS)
    made = dict(in_form(row, form).columns) if form and form is not TEXT else {**columns, "prompt": asked(columns)}
    reference = {"reference": made.pop("completion")} if "completion" in made and columns.get("completion") is None else {}
    return replace(row, columns={**reference, **made})


def _turns(found: Any, where: str, column: str) -> tuple[str, str | None]:
    """The user turn, and the answer if any. Other conversations are refused, because cutting them would change the prompt."""
    turns = found if isinstance(found, list) and all(isinstance(turn, Mapping) for turn in found) else []
    roles = [turn.get("role") for turn in turns]
    contents = [turn.get("content") for turn in turns]
    if roles not in (["user"], ["user", "assistant"]) or not all(isinstance(content, str) for content in contents):
        raise DataError(f"{where}: {column} must be text, or one user turn and at most one answer: fix or drop the row")
    return contents[0], contents[1] if len(contents) == 2 else None


def _problem(row: Row, config: ChatTask) -> Problem:
    columns = row.columns
    harmful, language = columns.get("harmful") or False, columns.get("language") or config.language
    if not isinstance(harmful, bool):
        raise DataError(f"{row.where}: harmful is {harmful!r}: give true or false, or drop the column")
    if language not in get_args(Language):
        raise DataError(f"{row.where}: language is {language!r}: give {' or '.join(get_args(Language))}, or drop the column")
    text = columns["prompt"].strip()
    described = {name: columns[name] for name in ("reference", "category") if columns.get(name) is not None}
    return Problem(
        id=f"{config.name}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
        task=config.name,
        text=text,
        verifier="none",
        language=language,
        data={**described, "harmful": harmful, "source": Path(row.source).name, "row": row.number},
    )
