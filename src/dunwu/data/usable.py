"""Which rows of a data set can be used at all: a prompt within the limit, and a gold that answers can be verified against.

All rows of a split are looked at before any is drawn: a run must not meet a bad one at its thousandth step. A generated task has no such
rows; a problem of one whose prompt is too long is replaced when it is drawn (`dunwu.data.prompts.fitting`).
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
from dunwu.text.surrogates import has_surrogates
from dunwu.types import Problem, Split
from dunwu.verifiers.math.verify import check_gold, reads_as_text
from dunwu.verifiers.problem import problem_fault

TOO_LONG, BAD_GOLD, HALF = "prompt too long", "gold that nothing can be verified against", "half a character"
UNREADABLE = "without a problem or an answer"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A row that cannot be used: its kind (one of the constants above), and what to say of it."""

    problem: Problem
    kind: str
    detail: str


def unusable(problems: Sequence[Problem], limit: PromptLimit | None) -> list[Unusable]:
    """The problems that cannot be used, in order, each by the first reason; without a limit prompts are not made."""
    found = []
    readable = [problem for problem in problems if not has_surrogates(problem.text)]
    lengths = {p.problem.id: len(p.token_ids) for p in limit.prompts(readable)} if limit else {}
    for problem in problems:
        told = _gold(problem.answer or "")[0] if problem.verifier == "math" else _fault(problem)
        if told:
            found.append(Unusable(problem, BAD_GOLD, told))
        elif has_surrogates(problem.text):
            found.append(Unusable(problem, HALF, "it has half a character"))
        elif limit and lengths[problem.id] > limit.tokens:
            found.append(
                Unusable(problem, TOO_LONG, f"the prompt has {lengths[problem.id]} tokens, over max_prompt_tokens = {limit.tokens}")
            )
    return found


def met_by_text_alone(problems: Sequence[Problem]) -> list[Problem]:
    """The problems whose gold is outside the grammar of the maths verifier, so that only an answer of the same text is right."""
    return [problem for problem in problems if problem.verifier == "math" and _gold(problem.answer or "")[1]]


def sift(task: Task, config: TaskConfig, split: Split, limit: PromptLimit | None) -> dict[str, int]:
    """Take the unusable rows of a split out of ``task`` where its configuration drops them; how many rows, by kind.

    Raises ``DataError`` that names the first such row where it does not, and where none is left. Generated tasks have no rows.
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
        raise DataError(f"all {rows} {split} rows of {task.name} are dropped; the first: {_told(found[0])}")
    return dict(+dropped)


def drops(config: TaskConfig) -> bool:
    """Whether unusable rows are left out; generated tasks have none."""
    return getattr(config, "unusable", "refuse") == "drop"


def refusal(found: Sequence[Unusable]) -> str:
    """The first unusable row, the number of others, and the remedy."""
    others = f" (and {len(found) - 1} more rows)" if len(found) > 1 else ""
    return f"{_told(found[0], others)}, or set the task's `unusable: drop` to leave such rows out"


def _told(first: Unusable, others: str = "") -> str:
    """A row, what is wrong with it, and the remedy."""
    return f"{where(first.problem)}: {first.detail}{others}: {'raise it' if first.kind == TOO_LONG else 'fix or remove the row'}"


@dataclass(frozen=True, slots=True)
class HeldOutProblems:
    """What an evaluation asks, the name of its task, and how many rows of the split were dropped, by kind."""

    name: str
    problems: list[Problem]
    dropped: dict[str, int]
    note: str = ""
    """Where the problems are not those of the split."""


def held_out_problems(config: EvalConfig, limit: PromptLimit | None, all_rows: bool = False) -> HeldOutProblems:
    """The problems of an evaluation, all usable. Raises ``DataError`` as `sift`.

    ``all_rows``: use all rows, with a note, if the data set is too small to have rows in the split. A run that trains on it must not.
    """
    task = make_task(config.task)
    moved = task.hold_out_all(config.split) if all_rows and isinstance(task, Dataset) else 0
    note = f"{task.name} has no {config.split} rows: all its rows ({moved:,}) are used, also those a run would train on" if moved else ""
    dropped = sift(task, config.task, config.split, limit)
    return HeldOutProblems(task.name, task.held_out(config.split, config.problems, config.seed), dropped, note)


def where(problem: Problem) -> str:
    """What a message calls the row of a problem."""
    return f"row {problem.data['row']} of {problem.data['source']}" if "row" in problem.data else f"problem {problem.id}"


def _fault(problem: Problem) -> str | None:
    """Tests of programs are looked at where they are read (`dunwu.tasks.code_rows`)."""
    return None if problem.verifier == "code" else problem_fault(problem)


@lru_cache(maxsize=1 << 18)
def _gold(gold: str) -> tuple[str | None, bool]:
    """What is wrong with a gold, and whether only an answer of the same text meets it."""
    return check_gold(gold), reads_as_text(gold)
