"""The answers of stages `evaluate` and `suite` as the claims see them, and what a problem's answers are worth. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from dunwu.errors import DataError
from dunwu.evaluation.claims import Quantity
from dunwu.evaluation.metrics import majority_at_k
from dunwu.evaluation.result import EvaluationRow
from dunwu.evaluation.store import read_evaluation
from dunwu.evaluation.suite import SuiteRow, accuracy, read_rows
from dunwu.rewards.language import LanguageConsistency
from dunwu.rewards.scope import Reasoning, look_at, narrow
from dunwu.types import Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion. ``right`` is ``None`` if its verifier failed; ``language`` is the share of the reasoning's words that are in the
    problem's language, ``None`` without words. A suite knows no ``vote``, ``thinking``, ``reflections`` and ``difficulty``."""

    right: int | None
    language: float | None = None
    vote: str | None = None
    thinking: float | None = None
    reflections: float | None = None
    difficulty: float | None = None


Answers = Mapping[str, Sequence[Answer]]
"""By set and problem; sets of general tasks begin with `GENERAL`."""
Values = Mapping[str, float]
"""By set and problem."""
GENERAL = "general-"
SUITE = "suite.json"


def read_answers(folder: Path) -> Answers:
    """The answers that a stage `evaluate` or `suite` has stored. Raises `DataError` if there are none."""
    found: dict[str, list[Answer]] = {}
    for name, problem, answer in _suite(folder) if (folder / SUITE).is_file() else _evaluation(folder):
        found.setdefault(f"{name}/{problem}", []).append(answer)
    if not found:
        raise DataError(f"{folder} has no answers: give the output of a stage of kind `evaluate` or `suite`")
    return found


def _suite(folder: Path) -> list[tuple[str, str, Answer]]:
    files = [file for file in sorted(folder.glob("*.parquet")) if file.stem.startswith(("reasoning-", GENERAL))]
    return [(file.stem, row.problem_id, _of_suite(row)) for file in files for row in read_rows(file)]


def _evaluation(folder: Path) -> list[tuple[str, str, Answer]]:
    files = sorted(folder.glob("*.parquet"))
    return [(f"reasoning-{file.stem}", row.problem_id, _of_evaluation(row)) for file in files for row in read_evaluation(file).rows]


def _of_suite(row: SuiteRow) -> Answer:
    right = accuracy(row)
    return Answer(None if right is None else int(right), row.thought_language)


def _of_evaluation(row: EvaluationRow) -> Answer:
    problem = Problem(row.problem_id, "", row.text, "text", language=row.language)
    language = LanguageConsistency()(problem, narrow(look_at(row.completion), Reasoning))
    right = None if row.score is None else row.correct
    return Answer(right, language, row.vote, row.thinking_tokens, row.reflections, row.difficulty)


def values(answers: Answers, quantity: Quantity) -> Values:
    """What the answers to each problem are worth; problems to which the quantity does not apply are left out."""
    wanted = {key: given for key, given in answers.items() if key.startswith(GENERAL) == (quantity == "general")}
    found = {key: _VALUES[quantity](given) for key, given in wanted.items()}
    return {key: value for key, value in found.items() if value is not None}


def difficulties(answers: Answers) -> Values:
    """The difficulty of each problem that has one."""
    return {key: given[0].difficulty for key, given in answers.items() if given[0].difficulty is not None}


def _mean(given: Sequence[Answer], value: Callable[[Answer], float | None]) -> float | None:
    known = [number for answer in given if (number := value(answer)) is not None]
    return fmean(known) if known else None


def _right(given: Sequence[Answer]) -> float | None:
    return _mean(given, lambda answer: answer.right)


def _majority(given: Sequence[Answer]) -> float | None:
    """1 if the most frequent answer is right, else 0 (`majority_at_k`)."""
    known = [answer for answer in given if answer.right is not None]
    return majority_at_k([[answer.vote for answer in known]], [[answer.right or 0 for answer in known]]) if known else None


_VALUES: Mapping[Quantity, Callable[[Sequence[Answer]], float | None]] = {
    "pass_at_1": _right,
    "general": _right,
    "majority": _majority,
    "thinking": lambda given: _mean(given, lambda answer: answer.thinking),
    "reflections": lambda given: _mean(given, lambda answer: answer.reflections),
    "language": lambda given: _mean(given, lambda answer: answer.language),
}
