"""Data sets as tasks: rows with a problem and an answer, from local files, the hub, or ``gsm8k`` and ``math`` by name."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from dunwu.config.references import SUFFIXES
from dunwu.config.suites import DATA_VARIABLE
from dunwu.config.task_names import data_name
from dunwu.config.tasks import DatasetTask
from dunwu.errors import DataError
from dunwu.tasks.base import Finite, HeldOut, drawn, permuted
from dunwu.tasks.columns import cell, filled, has, kind_of, missing
from dunwu.tasks.forms import ANSWER_COLUMNS, PROBLEM_COLUMNS, as_turns, instruction
from dunwu.tasks.gold import cell_text, gold_number, gold_text
from dunwu.tasks.ifeval import IDS, instructions_of
from dunwu.tasks.row_splits import SplitRows, counts_in_words, split_rows
from dunwu.tasks.rows import Row, hub_rows, local_rows
from dunwu.tasks.shapes import as_read, wanted_rows
from dunwu.types import Language, Problem, Split, VerifierName

TURN_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """A data set known by name. ``skip_unanswered``: skip rows without an answer; ``numeric``: all answers are numbers.

    On the hub the test split of ``math`` is the whole MATH test set; a local folder may contain MATH-500 instead.
    """

    hub_id: str
    subset: str | None
    skip_unanswered: bool
    numeric: bool


KNOWN = {
    "gsm8k": KnownDataset("openai/gsm8k", "main", skip_unanswered=False, numeric=True),
    "math": KnownDataset("DigitalLearningGmbH/MATH-lighteval", None, skip_unanswered=True, numeric=False),
}


class Dataset(Finite):
    """Rows of a data set, all read and checked when it is made.

    ``skipped`` counts rows of ``math`` without an answer; ``duplicates`` counts rows with a repeated problem text (a text in a held-out
    split is never a training problem); ``refused`` says why rows were dropped.
    """

    def __init__(self, config: DatasetTask) -> None:
        known = KNOWN.get(config.path)
        if known and known.numeric and config.verifier == "auto":
            config = config.model_copy(update={"verifier": "number"})
        self.name = config.path if known else data_name(config.path)
        rows = wanted_rows(load_rows(config.path), config)
        self._config = config = as_read(config)
        self._named = any(row.split != "unnamed" for row in rows)
        check_columns(rows[0], config)
        usable, self.refused = _usable(rows, config, known is not None and known.skip_unanswered)
        self.unreadable = len(self.refused)
        found = split_rows(usable, partial(problem_text, config=config))
        self._moved = found.moved
        self._copies = {split: Counter(text for text, _ in members) for split, members in found.rows.items()}
        distinct = found.distinct()
        self.duplicates = len(usable) - sum(map(len, distinct.values()))
        made = {split: [self._problem(row) for _, row in members] for split, members in distinct.items()}
        self._problems = {split: [problem for problem in members if problem] for split, members in made.items()}
        self.skipped = sum(map(len, made.values())) - sum(map(len, self._problems.values()))
        self.splits = self._splits_in_words("for evaluation only" if config.only_split else found.how)
        self.warnings = tuple(filter(None, [_conflicts(found, config)]))

    def _splits_in_words(self, how: str) -> str:
        lost = {"repeated": self.duplicates, "without an answer": self.skipped, "unusable": self.unreadable}
        others = "".join(f"; {count:,} {what} dropped" for what, count in lost.items() if count)
        counts = counts_in_words({split: len(members) for split, members in self._problems.items()})
        return f"{Path(self._config.path).name}: {counts} ({how}){others}"

    def copies(self, split: Split, problem: Problem) -> int:
        """Number of rows of a split with this problem; only one of them is used."""
        return self._copies[split][problem.text]

    def hold_out_all(self, split: HeldOut) -> int:
        """If no file is named after a split and no row's hash falls into ``split``, move all rows into it; returns their number or 0."""
        if self._named or (self._problems[split] and split not in self._moved):
            return 0
        rows = [problem for problems in self._problems.values() for problem in problems]
        self._problems = {name: rows if name == split else [] for name in self._problems}
        self._copies = {**self._copies, split: sum(self._copies.values(), Counter())}
        return len(rows)

    def train(self, index: int, seed: int) -> Problem:
        """An epoch is one pass over the training rows in a random order."""
        problems = self._of("train")
        return problems[permuted(index, len(problems), seed)[1]]

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Rows of ``split`` in the data set's order, or a random sample of ``limit`` if there are more."""
        problems = self._of(split)
        return drawn(problems, limit, f"{seed}-{split}-dataset")

    def _of(self, split: Split) -> list[Problem]:
        problems = self._problems[split]
        if not problems:
            counts = ", ".join(f"{name} {len(members)}" for name, members in self._problems.items())
            raise DataError(f"data set {self._config.path!r} has no {split} rows ({counts}): add rows, or a file named {split}")
        return problems

    def _problem(self, row: Row) -> Problem | None:
        found = answer_of(row, self._config)
        if found is None:
            return None
        verifier, answer, more = found
        text = problem_text(row, self._config)
        stated: Any = row.columns.get("language")
        return Problem(
            id=f"{self.name}-{text_digest(text)}",
            task=self.name,
            text=text,
            verifier=verifier,
            answer=answer,
            language=stated if stated in get_args(Language) else self._config.language,
            difficulty=difficulty_of(row),
            data={**other_columns(row, self._config), **more, "source": Path(row.source).name, "row": row.number},
            turns=problem_turns(row, self._config),
        )


def _usable(rows: Sequence[Row], config: DatasetTask, skip_unanswered: bool) -> tuple[list[Row], tuple[str, ...]]:
    """The rows that are problems, and why the others are not. Raises ``DataError`` for the first unless they are to be dropped."""
    refusals = [(row, _refusal(row, config, skip_unanswered)) for row in rows]
    usable, refused = [row for row, refusal in refusals if not refusal], tuple(refusal for _, refusal in refusals if refusal)
    if refused and config.unusable != "drop":
        raise DataError(f"{refused[0]}, or set the task's `unusable: drop` to drop such rows")
    if not usable:
        raise DataError(f"all {len(rows)} rows of {config.path} are dropped; the first: {refused[0]}")
    return usable, refused


def _conflicts(found: SplitRows, config: DatasetTask) -> str:
    """A warning about equal problems with different golds, of which the first is used; empty if there are none."""
    first: dict[str, tuple[Row, str]] = {}
    conflicts: dict[str, str] = {}
    repeated = {text for text, count in Counter(text for rows in found.rows.values() for text, _ in rows).items() if count > 1}
    for text, row in ((text, row) for rows in found.rows.values() for text, row in rows if text in repeated):
        gold = str((answer_of(row, config) or ("", ""))[1])
        before, known = first.setdefault(text, (row, gold))
        if not same_gold(gold, known):
            conflicts.setdefault(text, f"{before.where}: {known[:60]!r} and row {row.number}: {gold[:60]!r}")
    if not conflicts:
        return ""
    return (
        f"{len(conflicts):,} problems occur with different golds, of which the first is used; the first is {next(iter(conflicts.values()))}"
    )


def same_gold(one: str, other: str) -> bool:
    """True for equal texts and for numbers of equal value."""
    try:
        return one == other or Fraction(one) == Fraction(other)
    except (ValueError, ZeroDivisionError):
        return False


def _refusal(row: Row, config: DatasetTask, skip_unanswered: bool) -> str:
    """The error message for a row without a problem or an answer, else an empty text."""
    try:
        problem_text(row, config)
        if answer_of(row, config) is None and not skip_unanswered:
            return f"{row.where}: no answer in column {' or '.join(answer_columns(config))}: fill it or remove the row"
    except DataError as error:
        return str(error)
    return ""


def text_digest(text: str) -> str:
    """What names a problem by its text."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def answer_of(row: Row, config: DatasetTask) -> tuple[VerifierName, str | None, dict[str, Any]] | None:
    """The verifier, the gold answer in its form, and further data for the verifier; ``None`` for a row without an answer.

    Raises DataError for an answer that the verifier cannot use. Golds that are not numbers are checked when a run starts
    (`dunwu.jobs.checks`).
    """
    if config.verifier in ("json_schema", "instructions"):  # not has_gold
        wanted = "schema" if config.verifier == "json_schema" else "instructions"
        if wanted == "instructions" and row.columns.get(IDS):
            return config.verifier, None, {wanted: instructions_of(row)}
        if not row.columns.get(wanted):
            raise DataError(f"{row.where}: no {wanted} in column {wanted}: fill it or remove the row")
        return config.verifier, None, {}
    column = filled(row.columns, answer_columns(config))
    if column is None:
        return None
    value = cell(row.columns, column)
    if config.verifier in ("text", "names") and isinstance(value, list):
        return config.verifier, None, {"answers": [_readable(item, row, column) for item in value]}
    gold = gold_text(_readable(value, row, column))
    if not gold:
        return None
    if config.verifier == "choice" and not re.search("[A-Ja-j]", gold):
        raise DataError(f"{row.where}: answer {gold[:80]!r} is not the letter of an option: give A to J")
    if config.verifier in ("choice", "text", "names", "refusal"):
        return config.verifier, gold, {}
    number = gold_number(gold)
    if number is None and config.verifier in ("number", "plain_number"):
        raise DataError(f"{row.where}: answer {gold[:80]!r} is not a number: give an integer, decimal or fraction, or set verifier to math")
    if number is None or config.verifier == "math":
        return "math", gold, {}
    return "plain_number" if config.verifier == "plain_number" else "number", number, {}


def _readable(value: Any, row: Row, column: str) -> str:
    """An answer as text. Raises DataError with the type of any other value."""
    text = value if isinstance(value, str) else cell_text(value)
    if text is None:
        kind = kind_of(value) if isinstance(value, list) else f"{kind_of(value)}, {str(value)[:40]!r}"
        remedy = "one answer (alternatives: verifier = text)" if isinstance(value, list) else "text or a number"
        raise DataError(f"{row.where}: the answer in column {column} is {kind}: give {remedy}")
    return text


def other_columns(row: Row, config: DatasetTask) -> dict[str, Any]:
    """Columns besides problem and answer, in JSON's types (a date becomes text), for verifiers and custom rewards."""
    used = {filled(row.columns, problem_columns(config)), *answer_columns(config)}
    others = {name: value for name, value in row.columns.items() if name not in used}
    return dict(json.loads(json.dumps(others, default=str)))


def load_rows(path: str) -> list[Row]:
    """Resolve ``path``: a known name, a local file or folder, or a hub id (``owner/name``, or ``owner/name:subset``)."""
    source = resolve(path)
    rows = local_rows(source) if isinstance(source, Path) else hub_rows(*source)
    if not rows:
        raise DataError(f"data set {path!r} has no rows: give one with at least one")
    return rows


def resolve(path: str) -> Path | tuple[str, str | None]:
    """A local file or folder, or a hub id and its subset."""
    if path in KNOWN:
        folder = Path(os.environ.get(DATA_VARIABLE, ""), path)
        return folder if os.environ.get(DATA_VARIABLE) and folder.is_dir() else (KNOWN[path].hub_id, KNOWN[path].subset)
    if Path(path).expanduser().exists() or path.endswith(SUFFIXES) or not re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", path):
        return Path(path).expanduser()
    hub_id, _, subset = path.partition(":")
    return hub_id, subset or None


def as_key(role: str, near: str) -> str:
    """How to name the column of a role, ``near`` if one resembles it, in a configuration."""
    return f"set {role}_column={near}" if near else f"set {role}_column to the right one"


def check_columns(row: Row, config: DatasetTask, remedy: Callable[[str, str], str] = as_key) -> None:
    """Raise `DataError` with the existing columns and the nearest one if the first row lacks one that is needed."""
    needed = {"problem": problem_columns(config), **({"answer": answer_columns(config)} if has_gold(config) else {})}
    for role, wanted in needed.items():
        if not any(has(row.columns, name) for name in wanted):
            listed, near = missing(row.columns, wanted)
            raise DataError(f"{row.where}: no column {' or '.join(wanted)} (columns: {listed}): {remedy(role, near)}")


def has_gold(config: DatasetTask) -> bool:
    """False if what the verifier compares with is no gold answer but a column of its own."""
    return config.verifier not in ("json_schema", "instructions")


def problem_columns(config: DatasetTask) -> tuple[str, ...]:
    """Columns that may hold the problem, best first; each may be inside another (`dunwu.tasks.columns`)."""
    return (config.problem_column,) if config.problem_column else PROBLEM_COLUMNS


def answer_columns(config: DatasetTask) -> tuple[str, ...]:
    """Columns that may hold the answer, best first."""
    return (config.answer_column,) if config.answer_column else ANSWER_COLUMNS


def problem_text(row: Row, config: DatasetTask) -> str:
    """The problem of a row: its text, or that of all turns. Raises `DataError` unless it is text or ends with a user's turn."""
    value, column = _asked(row, config)
    if isinstance(value, list) and value:
        return "\n\n".join(turn["content"].strip() for turn in _turns(value, row, column))
    if not isinstance(value, str) or not value.strip():
        where = column or " or ".join(problem_columns(config))
        found = "nothing" if isinstance(value, str) else kind_of(value)
        raise DataError(f"{row.where}: {found} instead of text in column {where}: fill it or remove the row")
    return value.strip()


def problem_turns(row: Row, config: DatasetTask) -> tuple[dict[str, str], ...]:
    """The turns of a problem that is a conversation; empty for one user turn."""
    value, column = _asked(row, config)
    turns = _turns(value, row, column) if isinstance(value, list) else ()
    return turns if len(turns) > 1 else ()


def _asked(row: Row, config: DatasetTask) -> tuple[Any, str]:
    """The value and name of the problem column; an instruction comes with its input."""
    column = filled(row.columns, problem_columns(config)) or ""
    if column == "instruction" and not config.problem_column:
        return instruction(row.columns), column
    return as_turns(cell(row.columns, column)) if column == "prompt" else cell(row.columns, column), column


def _turns(value: list[Any], row: Row, column: str) -> tuple[dict[str, str], ...]:
    turns = tuple(turn for turn in value if isinstance(turn, Mapping) and turn.get("role") in TURN_ROLES)
    if len(turns) < len(value) or not all(isinstance(turn.get("content"), str) for turn in turns) or turns[-1]["role"] != "user":
        raise DataError(
            f"{row.where}: {kind_of(value)} instead of text in column {column}: give text, or turns {{role, content}} that end with a user"
            f" turn, or name one, such as problem_column={column}.0.content"
        )
    return tuple({"role": turn["role"], "content": turn["content"]} for turn in turns)


def difficulty_of(row: Row) -> float | None:
    """The ``level`` or ``difficulty`` column if it is a number (``5``, or ``"Level 5"`` as in MATH)."""
    for column in ("level", "difficulty"):
        text = cell_text(row.columns.get(column))
        match = re.fullmatch(r"(?:Level )?(\d+(?:\.\d+)?)", text) if text else None
        if match and math.isfinite(value := float(match.group(1))):
            return value
    return None
