"""What each command would read in a data file, for `dunwu data`: the same readers as in training, and no model. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dunwu.config.tasks import CodeTask, DatasetTask
from dunwu.data.io.conversations import conversation, is_bad, is_document
from dunwu.data.io.preferences import LabelledAnswer, Pair, by_name, labelled_of, pair_of, split_items
from dunwu.errors import DataError
from dunwu.models.chat import Message
from dunwu.tasks.code_rows import FORMATS, code_problem
from dunwu.tasks.columns import cell, dotted_names, filled, is_empty, kind_of
from dunwu.tasks.containers import container
from dunwu.tasks.dataset import Dataset, answer_columns, problem_columns
from dunwu.tasks.forms import CONVERSATIONS, LABELLED, PAIRS, Form, form_of, renamed
from dunwu.tasks.row_splits import IN_WORDS
from dunwu.tasks.rows import Row, data_files, held_out_files, local_rows
from dunwu.types import Problem, Split
from dunwu.verifiers.problem import problem_fault

Purpose = Literal["zero", "sft", "reward-model", "eval"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class DataKeys(DatasetTask):
    """The keys with which a command would read the file: those of a data set, and `columns` of `dunwu sft` and `dunwu reward-model`."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns of the file, which may be nested, by our names: {prompt: query, completion: response}."""


@dataclass(frozen=True, slots=True)
class File:
    """A file: what it is, its rows, and the split that its name gives."""

    name: str
    container: str
    rows: int
    split: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column, which may be nested: the type and value of its first filled cell, and how many rows have one."""

    name: str
    kind: str
    filled: int
    example: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as a command sees it: where it is, and the parts by name."""

    where: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a command takes from the file; ``refused`` says why it takes nothing."""

    takes: str = ""
    rows: str = ""
    warnings: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    first: tuple[Shown, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything about a file or folder."""

    path: str
    rows: int
    files: tuple[File, ...]
    columns: tuple[Column, ...]
    readings: Mapping[Purpose, Reading]


def overview(keys: DataKeys, purposes: Sequence[Purpose], shown: int) -> Overview:
    """Read the file or folder as each command would. Raises ``DataError`` if it cannot be read at all."""
    path = Path(keys.path).expanduser()
    rows = local_rows(path)
    counts = Counter(row.source for row in rows)
    splits = {row.source: row.split for row in rows}
    files = tuple(File(str(file), container(file), counts[str(file)], splits.get(str(file), "unnamed")) for file in data_files(path))
    readings: dict[Purpose, Reading] = {}
    for purpose in purposes:
        try:
            readings[purpose] = _READERS[purpose](keys, rows, shown)
        except DataError as error:
            readings[purpose] = Reading(refused=str(error))
    return Overview(str(path), len(rows), files, tuple(_columns(rows)), readings)


def _columns(rows: Sequence[Row]) -> list[Column]:
    names = dict.fromkeys([*dotted_names(rows[0].columns), *(str(name) for row in rows for name in row.columns)])
    nested = {name.partition(".")[0] for name in names if "." in name and name not in rows[0].columns}
    found = []
    for name in (name for name in names if name not in nested):
        values = [value for row in rows if not is_empty(value := cell(row.columns, name))]
        found.append(Column(name, kind_of(values[0]) if values else "empty", len(values), _short(values[0]) if values else ""))
    return found


def _short(value: Any, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def _problems(keys: DataKeys, rows: Sequence[Row], shown: int) -> Reading:
    if any(columns <= rows[0].columns.keys() for columns, _ in FORMATS):
        return _programs(keys, rows)
    names = DatasetTask.model_fields
    config = DatasetTask(**{name: getattr(keys, name) for name in names} | {"unusable": "drop"})
    task = Dataset(config)
    problems = [(split, problem) for split in SPLITS for problem in task.rows(split)]
    faults = [
        f"row {problem.data['row']} of {problem.data['source']}: {fault}" for _, problem in problems if (fault := problem_fault(problem))
    ]
    kinds = Counter(problem.verifier for _, problem in problems)
    verified = ", ".join(f"{count:,} verified as {kind}" for kind, count in kinds.most_common())
    named = [(filled(row.columns, problem_columns(config)), filled(row.columns, answer_columns(config))) for row in rows]
    problem_column, gold = next((pair for pair in named if all(pair)), named[0])
    takes = f"the problem is {problem_column}, the gold {gold or 'in other columns'}; {verified}"
    ordered = sorted(problems, key=lambda each: (str(each[1].data["source"]), int(each[1].data["row"])))
    first = tuple(
        Shown(f"row {problem.data['row']} ({IN_WORDS[split]})", tuple(_problem_parts(problem))) for split, problem in ordered[:shown]
    )
    return Reading(takes, task.splits, task.warnings, (*task.refused, *faults), first)


def _programs(keys: DataKeys, rows: Sequence[Row]) -> Reading:
    """Problems whose answer is a program; their tests are not shown."""
    config = CodeTask(path=keys.path)
    found, unusable = _each(rows, lambda row: code_problem(row, config))
    tested = sum(problem is not None for _, problem in found)
    return Reading(f"programs, as the task code:{keys.path}", f"{tested:,} problems with tests", (), unusable)


def _problem_parts(problem: Problem) -> list[tuple[str, str]]:
    asked = [(turn["role"], turn["content"]) for turn in problem.turns] or [("problem", problem.text)]
    return [*asked, ("gold", f"{problem.answer or problem.data.get('answers') or ''} (verifier {problem.verifier})")]


def _evaluated(keys: DataKeys, rows: Sequence[Row], shown: int) -> Reading:
    found = _problems(keys, rows, shown)
    hint = "dunwu eval takes the test rows; to evaluate all rows, name the file test, such as my_test.jsonl"
    named = all(row.split == "test" for row in rows)
    return Reading(found.takes, found.rows if named else f"{found.rows}; {hint}", found.warnings, found.unusable, found.first)


def _conversations(keys: DataKeys, rows: Sequence[Row], shown: int) -> Reading:
    held_out = held_out_files({row.source for row in rows})
    every, rows = len(rows), [renamed(row, keys.columns) for row in rows if row.source not in held_out]
    good = [row for row in rows if not is_bad(row)]
    found, unusable = _each(good, conversation)
    learned = sum(message.learned and message.role == "assistant" for _, messages in found for message in messages)
    repeated = len(found) - len({messages for _, messages in found})
    text = f"{len(found):,} conversations, all for training, {learned:,} turns learned"
    text += f"; {repeated:,} repeated, which are kept" if repeated else ""
    text += f"; {len(rows) - len(good):,} labelled bad and dropped" if len(good) < len(rows) else ""
    text += f"; {every - len(rows):,} not read, as their files are named test or validation" if held_out else ""
    first = tuple(Shown(f"row {row.number}", tuple(_turns(messages))) for row, messages in found[:shown])
    return Reading(_forms(rows, CONVERSATIONS), text, (), unusable, first)


def _turns(messages: Sequence[Message]) -> list[tuple[str, str]]:
    if is_document(messages):
        return [("text, learned", messages[0].content)]
    parts = []
    for message in messages:
        learned = ", learned" if message.role == "assistant" and message.learned else ""
        parts += [(f"reasoning{learned}", message.reasoning)] if message.reasoning else []
        parts.append((f"{message.role}{learned}", message.content))
    return parts


def _preferences(keys: DataKeys, rows: Sequence[Row], shown: int) -> Reading:
    rows = [renamed(row, keys.columns) for row in rows]
    labelled = form_of(rows[0].columns, PAIRS) is None and form_of(rows[0].columns, LABELLED) is not None
    found, unusable = _each(rows, labelled_of if labelled else pair_of)
    split = split_items(found, Path(keys.path))
    how = "by file name" if by_name({row.split for row in rows}) else "by a hash of the prompt"
    text = f"{len(split.train):,} training, {len(split.held_out):,} held-out rows (split {how})"
    text += f"; {split.leaked:,} dropped, as their prompt is held out" if split.leaked else ""
    takes = _forms(rows, LABELLED if labelled else PAIRS)
    takes += "; with --kind safety, where true and safe are the good answers" if labelled else ""
    first = tuple(Shown(f"row {row.number}", tuple(_preference_parts(item))) for row, item in found[:shown])
    return Reading(takes, text, (), unusable, first)


def _preference_parts(item: Pair | LabelledAnswer) -> list[tuple[str, str]]:
    prompt = [(turn.role, turn.content) for turn in item.prompt]
    if isinstance(item, Pair):
        return [*prompt, ("chosen", item.chosen), ("rejected", item.rejected)]
    return [*prompt, ("safe" if item.safe else "unsafe", item.completion)]


def _forms(rows: Sequence[Row], forms: Sequence[Form]) -> str:
    """The forms of the rows, the most frequent first."""
    found = Counter(f"{form.name}: {form.takes}" for row in rows if (form := form_of(row.columns, forms)))
    return "; ".join(f"{text} ({count:,} rows)" if len(found) > 1 else text for text, count in found.most_common())


def _each(rows: Sequence[Row], read: Callable[[Row], Any]) -> tuple[list[tuple[Row, Any]], tuple[str, ...]]:
    """The rows that can be read with what they become, and why the others cannot. Raises ``DataError`` if none can."""
    found, unusable = list[tuple[Row, Any]](), list[str]()
    for row in rows:
        try:
            found.append((row, read(row)))
        except DataError as error:
            unusable.append(str(error))
    if not found:
        raise DataError(unusable[0] if unusable else "no row has a good label")
    return found, tuple(unusable)


_READERS: Mapping[Purpose, Callable[[DataKeys, Sequence[Row], int], Reading]] = {
    "zero": _problems,
    "eval": _evaluated,
    "sft": _conversations,
    "reward-model": _preferences,
}
