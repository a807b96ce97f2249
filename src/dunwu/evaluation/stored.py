"""Stored completions, scored as sampled ones are: the same parsing, verifiers and rows. Loads no model and imports no torch.

The tokens of a stored completion are not known: its row has 0 tokens, and the summary has no lengths.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from dunwu.config.tasks import DatasetTask
from dunwu.errors import DataError
from dunwu.evaluation.labels import labels_of
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.rows import evaluation_row
from dunwu.rewards.pool import RewardPool
from dunwu.run.reporter import Reporter
from dunwu.tasks.columns import cell, filled, is_empty, kind_of, missing
from dunwu.tasks.dataset import (
    answer_columns,
    answer_of,
    check_columns,
    difficulty_of,
    has_gold,
    other_columns,
    problem_text,
    same_gold,
    text_digest,
)
from dunwu.tasks.gold import cell_text
from dunwu.tasks.rows import Row, local_rows
from dunwu.tasks.shapes import as_read as as_problems
from dunwu.tasks.shapes import wanted_rows
from dunwu.text.answer_forms import as_read, in_form
from dunwu.types import AnswerForm, Completion, FinishReason, Language, Problem, Prompt, Rollout, TokenSequence

CHUNK = 64
"""Completions verified between two updates of the progress line."""
FINISH, LABEL = "finish_reason", "label"
NEEDS: Mapping[str, str] = MappingProxyType(
    {"text": "answers", "names": "answers", "choice": "options", "json_schema": "schema", "instructions": "instructions"}
)
"""What verifiers read of a problem besides its gold answer."""


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """Where a row has its completion, its label (true or false: is it right?), and the row's own name in messages.

    ``label`` is ``None`` if nobody named one: then `LABEL` is read if it holds labels.
    """

    completion: str
    label: str | None = None
    id: str = "id"


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    """One row: the problem, the completion, and the label if the row has one; ``name`` is the row's id or number."""

    name: str
    problem: Problem
    text: str
    finish_reason: FinishReason
    label: bool | None


class NoTokens:
    """Stands for the tokenizer of a model that is not there: it counts nothing."""

    eos_token = None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return []


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of a file; ``note`` says that a column was not read, and ``ends_known`` whether any row says how its completion ended."""

    completions: tuple[StoredCompletion, ...]
    note: str
    ends_known: bool


def read_stored(path: Path, task: DatasetTask, columns: StoredColumns, form: AnswerForm, close_answer: bool) -> Stored:
    """The rows of a file. ``close_answer`` ends an answer that is open at the end of a completion, as if its last tag had been kept.

    Raises ``DataError`` for a row without problem, gold answer or completion, and for one problem with several gold answers.
    """
    rows, task = wanted_rows(local_rows(path), task), as_problems(task)
    check_columns(rows[0], task, as_option)
    labels, note = labels_of(rows, columns.label, LABEL)
    stored = [_stored(row, task, columns, form, close_answer, label) for row, label in zip(rows, labels, strict=True)]
    return Stored(tuple(_samples(stored, path)), note, any(not is_empty(row.columns.get(FINISH)) for row in rows))


def as_option(role: str, near: str) -> str:
    """How to name the column of a role on the command line, ``near`` if one resembles it."""
    return f"give --{role}-column {near}" if near else f"name the right one with --{role}-column"


def _samples(stored: Sequence[StoredCompletion], path: Path) -> Iterator[StoredCompletion]:
    """Rows of one problem are its samples: they must be verified alike, and share the problem of the first, which saves memory."""
    known: dict[str, StoredCompletion] = {}
    for each in stored:
        first = known.setdefault(each.problem.id, each)
        if differing := _difference(first.problem, each.problem):
            raise DataError(
                f"{path}: {first.name} and {each.name} have one problem and different {differing}: correct one, or name the right"
                " --problem-column"
            )
        yield replace(each, problem=first.problem)


def _difference(one: Problem, other: Problem) -> str:
    """What verifies one problem otherwise than the other; empty if nothing does."""
    if one.verifier != other.verifier or not same_gold(str(one.answer), str(other.answer)):
        values = [f"{str(found.answer)[:40]!r} ({found.verifier})" for found in (one, other)]
        return f"gold answers, {values[0]} and {values[1]}"
    need = NEEDS.get(one.verifier, "")
    values = [json.dumps(found.data.get(need), sort_keys=True) for found in (one, other)]  # in which NaN is equal to itself
    return "" if values[0] == values[1] else f"{need}, {values[0][:60]} and {values[1][:60]}"


def _stored(
    row: Row, task: DatasetTask, columns: StoredColumns, form: AnswerForm, close_answer: bool, label: bool | None
) -> StoredCompletion:
    text = cell(row.columns, columns.completion)
    if not isinstance(text, str):
        listed, near = missing(row.columns, [columns.completion])
        where = f"{row.where}: {kind_of(text)} instead of text in column {columns.completion} (columns: {listed})"
        raise DataError(f"{where}: {as_option('completion', '' if near == columns.completion else near)}")
    name = cell_text(row.columns.get(columns.id)) or f"row {row.number}"
    reason: FinishReason = "length" if row.columns.get(FINISH) == "length" else "stop"
    if close_answer and reason == "stop" and "<answer>" in text and "</answer>" not in text:
        text += "</answer>"
    return StoredCompletion(name, in_form(_problem(row, task, columns), form), text, reason, label)


def _problem(row: Row, task: DatasetTask, columns: StoredColumns) -> Problem:
    text, found = problem_text(row, task), answer_of(row, task)
    if has_gold(task) and filled(row.columns, answer_columns(task)) == columns.completion:
        raise DataError(
            f"{row.where}: column {columns.completion} is the completion and the gold answer: name the gold with --answer-column"
        )
    if found is None:
        raise DataError(f"{row.where}: no gold answer: fill it or remove the row")
    verifier, answer, more = found
    others = {name: value for name, value in other_columns(row, task).items() if name not in (columns.completion, columns.label or LABEL)}
    stated: Any = row.columns.get("language")
    language: Language = stated if stated in get_args(Language) else task.language
    return Problem(text_digest(text), "stored", text, verifier, answer, language, difficulty_of(row), {**others, **more})


def score_stored(
    stored: Sequence[StoredCompletion], name: str, pool: RewardPool, reporter: Reporter, group_by: Sequence[str] = ()
) -> EvaluationResult:
    """Verify all of them. The samples of a problem have the order of the file; k is the smallest number of a problem's samples."""
    rows: list[EvaluationRow] = []
    seen: dict[str, int] = {}
    with reporter.progress(len(stored), f"verify {name}") as advance:
        for start in range(0, len(stored), CHUNK):
            for rollout in _verified(stored[start : start + CHUNK], pool):
                problem = rollout.prompt.problem.id
                rows.append(evaluation_row(rollout, seen.get(problem, 0), NoTokens(), group_by))
                seen[problem] = seen.get(problem, 0) + 1
            advance(len(rows), {})
    return EvaluationResult(name, min(seen.values()), tuple(rows))


def _verified(chunk: Sequence[StoredCompletion], pool: RewardPool) -> list[Rollout]:
    for key, each in enumerate(chunk):
        pool.submit(key, as_read(each.problem, each.finish_reason == "length"), each.text)
    rewards = pool.collect()
    nothing = TokenSequence.drawn((), (), 0)
    return [
        Rollout(Prompt(each.problem, "", ()), Completion(nothing, each.text, each.finish_reason), rewards[key])
        for key, each in enumerate(chunk)
    ]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A completion that the verifier and its label judge differently: the row's name, our verdict, and the label."""

    row: str
    verdict: str
    label: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How verdicts and labels agree, over the labelled rows. ``not_judged``: the verifier failed."""

    both_right: int
    both_wrong: int
    only_verifier_right: int
    only_label_right: int
    not_judged: int
    disagreements: tuple[Disagreement, ...]


def agreement(stored: Sequence[StoredCompletion], rows: Sequence[EvaluationRow]) -> Agreement | None:
    """The agreement of verdicts with labels; ``None`` if no row has a label."""
    pairs = [(each, row, each.label) for each, row in zip(stored, rows, strict=True) if each.label is not None]
    if not pairs:
        return None
    judged = [(bool(row.correct), label) for _, row, label in pairs if row.score is not None]
    differing = tuple(
        Disagreement(each.name, row.unread or row.verdict, label)
        for each, row, label in pairs
        if row.score is not None and bool(row.correct) != label
    )
    return Agreement(
        both_right=judged.count((True, True)),
        both_wrong=judged.count((False, False)),
        only_verifier_right=judged.count((True, False)),
        only_label_right=judged.count((False, True)),
        not_judged=len(pairs) - len(judged),
        disagreements=differing,
    )
