"""Usable rows of a data set: their prompt is within the limit, and answers can be verified against their gold.

All rows of a split are checked before any is drawn, so that a run does not fail at its thousandth step. Generated tasks have no rows; if
the prompt of a generated problem is too long, the problem is replaced when it is drawn (`dunwu.data.prompts.fitting`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dunwu.config.tasks import TaskConfig
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import PromptLimit
from dunwu.errors import DataError
from dunwu.tasks.base import Finite, Task
from dunwu.tasks.dataset import Dataset
from dunwu.tasks.make import make_task
from dunwu.text.answer_forms import DEFAULT
from dunwu.text.surrogates import has_surrogates
from dunwu.types import Problem, Split
from dunwu.verifiers.math.verify import check_gold, reads_as_text
from dunwu.verifiers.problem import problem_fault

TOO_LONG, BAD_GOLD, HALF = "prompt too long", "gold that nothing can be verified against", "half a character"
UNREADABLE = "without a problem or an answer"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that cannot be used: the kind (one of the constants above), and the detail for messages."""

    problem: Problem
    kind: str
    detail: str


def unusable(problems: Sequence[Problem], limit: PromptLimit | None) -> list[Unusable]:
    """The problems that cannot be used, in order, each with the first reason; without ``limit`` prompts are not checked."""
    found = []
    readable = [problem for problem in problems if not has_surrogates(problem.text)]
    lengths = {p.problem.id: len(p.token_ids) for p in limit.prompts(readable)} if limit else {}
    for problem in problems:
        fault = _gold(problem.answer or "")[0] if problem.verifier == "math" else _fault(problem)
        if fault:
            found.append(Unusable(problem, BAD_GOLD, fault))
        elif has_surrogates(problem.text):
            found.append(Unusable(problem, HALF, "it has half a character"))
        elif limit and lengths[problem.id] > limit.tokens:
            found.append(
                Unusable(problem, TOO_LONG, f"the prompt has {lengths[problem.id]} tokens, over max_prompt_tokens = {limit.tokens}")
            )
    return found


def matched_as_text(problems: Sequence[Problem]) -> list[Problem]:
    """The problems whose gold the maths verifier cannot parse, so that only an answer with the same text is right."""
    return [problem for problem in problems if problem.verifier == "math" and _gold(problem.answer or "")[1]]


def sift(task: Task, config: TaskConfig, split: Split, limit: PromptLimit | None) -> dict[str, int]:
    """Drop the unusable rows of a split from ``task``, if its configuration allows that; returns their number by kind.

    Raises ``DataError`` with the first such row if it does not, or if no row remains. Generated tasks have no rows.
    """
    if not isinstance(task, Finite):
        return {}
    found = unusable(task.rows(split), limit)
    if found and not drops(config):
        raise DataError(refusal(found))
    dropped = Counter({UNREADABLE: task.unreadable})
    for each in found:
        dropped[each.kind] += task.copies(split, each.problem)
    task.drop(split, {each.problem.id for each in found})
    if found and not task.rows(split):
        rows = dropped.total() - task.unreadable
        raise DataError(f"all {rows} {split} rows of {task.name} are dropped; the first: {_describe(found[0])}")
    return dict(+dropped)


def drops(config: TaskConfig) -> bool:
    """True if the task drops unusable rows; generated tasks have none."""
    return getattr(config, "unusable", "refuse") == "drop"


def refusal(found: Sequence[Unusable]) -> str:
    """The first unusable row, the number of others, and the remedy."""
    others = f" (and {len(found) - 1} more rows)" if len(found) > 1 else ""
    return f"{_describe(found[0], others)}, or set the task's `unusable: drop` to drop such rows"


def _describe(first: Unusable, others: str = "") -> str:
    """A row, its fault, and the remedy."""
    return f"{where(first.problem)}: {first.detail}{others}: {'raise it' if first.kind == TOO_LONG else 'fix or remove the row'}"


@dataclass(frozen=True, slots=True)
class HeldOutProblems:
    """The problems of an evaluation, the name of its task, and the number of dropped rows by kind."""

    name: str
    problems: list[Problem]
    dropped: dict[str, int]
    note: str = ""
    """Set if the problems are not those of the split."""
    splits: str = ""
    """Rows by split, in words; empty for generated problems."""
    warnings: tuple[str, ...] = ()
    """As `Finite.warnings`."""


def held_out_problems(config: EvalConfig, limit: PromptLimit | None, all_rows: bool = False) -> HeldOutProblems:
    """The usable problems of an evaluation. Raises ``DataError`` as `sift`.

    ``all_rows``: use all rows, with a note, if no row of a small data set is in the split. Never set it in a run that trains on the set.
    """
    task = make_task(config.task, config.answer_form or DEFAULT)
    moved = task.hold_out_all(config.split) if all_rows and isinstance(task, Dataset) else 0
    note = f"{task.name} has no {config.split} rows: all its rows ({moved:,}) are used, also those a run would train on" if moved else ""
    dropped = sift(task, config.task, config.split, limit)
    problems = task.held_out(config.split, config.problems, config.seed)
    said = (task.splits, task.warnings) if isinstance(task, Finite) else ("", ())
    return HeldOutProblems(task.name, problems, dropped, note, *said)


def where(problem: Problem) -> str:
    """The name of a problem's row in messages."""
    return f"row {problem.data['row']} of {problem.data['source']}" if "row" in problem.data else f"problem {problem.id}"


def _fault(problem: Problem) -> str | None:
    """The fault of a problem; tests of programs were checked when they were read (`dunwu.tasks.code_rows`)."""
    return None if problem.verifier == "code" else problem_fault(problem)


@lru_cache(maxsize=1 << 18)
def _gold(gold: str) -> tuple[str | None, bool]:
    """The fault of a gold, and whether only an answer with the same text matches it."""
    return check_gold(gold), reads_as_text(gold)
