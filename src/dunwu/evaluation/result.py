"""The result of an evaluation: one row per completion, and the headline numbers computed from them. Imports no torch."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Any, TypeVar

import numpy as np

from dunwu.evaluation.metrics import finite_or_none, majority_at_k, pass_at_1, pass_at_k, pass_interval, spearman
from dunwu.types import FinishReason, Language, Reason
from dunwu.verifiers.unread import count_unread

MAX_LEVELS = 6
"""Up to this many distinct difficulties are shown separately; more are grouped into quartiles."""


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One completion of one held-out problem.

    ``score`` is ``None`` if the verifier itself failed: ``verdicts`` and ``excluded`` count such a row, shares of right answers do not.
    Nor do they count a row without a verifier (``unverified``), which is not excluded.
    ``vote`` is the answer's key in majority@k, ``None`` if it does not vote. Lengths are in tokens;
    0 tokens of a completion that is not empty were not counted (`dunwu.evaluation.stored`).
    ``unread`` is the reason why an unparsable answer was not read (`dunwu.verifiers.unread`). ``timed_out``: a program took too long.
    ``groups`` is JSON, the values of the columns by which results are grouped; empty without any.
    """

    problem_id: str
    text: str
    language: Language
    difficulty: float | None
    human_seconds: float | None
    sample: int
    completion: str
    thinking_tokens: int
    tokens: int
    finish_reason: FinishReason
    score: float | None
    verdict: Reason
    reflections: int
    answer: str | None
    vote: str | None
    unread: str = ""
    timed_out: bool = False
    groups: str = ""

    @property
    def correct(self) -> int:
        """1 if the verifier gave the full score, else 0."""
        return int(self.score == 1.0)


ProblemRows = list[EvaluationRow]
Item = TypeVar("Item")


@dataclass(frozen=True)
class EvaluationResult:
    """All completions of one held-out set by one policy, with ``k`` samples per problem; of stored ones a problem may have more.

    pass@1 and pass@k use all samples of a problem, majority@k the first ``k``.
    """

    name: str
    k: int
    rows: tuple[EvaluationRow, ...] = field(repr=False)

    @cached_property
    def problems(self) -> list[ProblemRows]:
        """The rows of each problem, in their original order."""
        by_id: dict[str, ProblemRows] = {}
        for row in self.rows:
            by_id.setdefault(row.problem_id, []).append(row)
        return list(by_id.values())

    def spread(self, most: int | None) -> EvaluationResult:
        """The result over ``most`` problems spread over all of them; ``None``: over all."""
        return replace(self, rows=tuple(row for rows in spread(self.problems, most) for row in rows))

    def summary(self) -> dict[str, Any]:
        """The headline numbers as in ``summary.json``; a number that cannot be computed is ``None``."""
        correct, first = _correct(self.problems), [scored(rows[: self.k]) for rows in self.problems]
        numbers = {
            "pass_at_1": pass_at_1(correct),
            "interval": pass_interval(correct),
            "pass_at_k": pass_at_k(correct, self.k),
            "majority_at_k": majority_at_k([[row.vote for row in rows] for rows in first], _correct(first)),
            "k": self.k,
            "mean_length": _mean(counted(self.rows), lambda row: row.tokens),
            "thinking_length": _mean(counted(self.rows), lambda row: row.thinking_tokens),
            "clipped_ratio": _mean(self.rows, lambda row: row.finish_reason == "length"),
            "reflections_per_completion": _mean(self.rows, lambda row: row.reflections),
            "by_difficulty": by_difficulty(self.problems),
            "verdicts": dict(sorted(Counter(row.verdict for row in self.rows).items())),
            "unread": count_unread(row.unread for row in self.rows),
            "problems": len(self.problems),
            "samples": len(self.rows),
            "excluded": sum(row.score is None and row.verdict != "unverified" for row in self.rows),
            "timed_out": sum(row.timed_out for row in self.rows),
        }
        if groups := by_group(self.problems):
            numbers["by_group"] = groups
        pairs = human_pairs(self.problems)
        if pairs:
            numbers["thinking_vs_human_seconds"] = {"spearman": spearman(*zip(*pairs, strict=True)), "problems": len(pairs)}
        checked: dict[str, Any] = finite_or_none(numbers)
        return checked


def spread(items: Sequence[Item], most: int | None) -> Sequence[Item]:
    """At most ``most`` of the items, at equal distances and in order: item ``i n / most`` for ``i`` below ``most``."""
    return items if most is None or most >= len(items) else [items[i * len(items) // most] for i in range(most)]


def counted(rows: Sequence[EvaluationRow]) -> Sequence[EvaluationRow]:
    """The rows, or none if they are completions whose tokens were not counted, as stored ones."""
    return () if any(row.completion for row in rows) and not any(row.tokens for row in rows) else rows


def scored(rows: ProblemRows) -> ProblemRows:
    """The rows whose verifier did not fail."""
    return [row for row in rows if row.score is not None]


def _correct(problems: Sequence[ProblemRows]) -> list[list[int]]:
    return [[row.correct for row in scored(rows)] for rows in problems]


def _mean(rows: Sequence[EvaluationRow], value: Callable[[EvaluationRow], float]) -> float:
    return fmean(value(row) for row in rows) if rows else math.nan


def by_group(problems: Sequence[ProblemRows]) -> dict[str, list[dict[str, Any]]]:
    """pass@1 with its interval by column and value, the values in their order; empty without groups."""
    found: dict[str, dict[str, list[ProblemRows]]] = {}
    for rows in problems:
        for column, value in json.loads(rows[0].groups or "{}").items():
            found.setdefault(column, {}).setdefault(str(value), []).append(rows)
    return {column: [_group(value, values[value]) for value in sorted(values, key=_natural)] for column, values in found.items()}


def _natural(value: str) -> tuple[float, str]:
    """Numbers by value, before texts."""
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def _group(value: str, problems: Sequence[ProblemRows]) -> dict[str, Any]:
    correct = _correct(problems)
    return {"value": value, "problems": len(problems), "pass_at_1": pass_at_1(correct), "interval": pass_interval(correct)}


def human_pairs(problems: Sequence[ProblemRows]) -> list[tuple[float, float]]:
    """(human seconds, mean thinking length in tokens) of each problem with a human solving time whose tokens were counted."""
    timed = [(rows[0].human_seconds, rows) for rows in problems if counted(rows)]
    return [(seconds, _mean(rows, lambda row: row.thinking_tokens)) for seconds, rows in timed if seconds is not None]


def by_difficulty(problems: Sequence[ProblemRows]) -> list[dict[str, Any]]:
    """pass@1 and mean thinking length (means over problems) by level of difficulty, or by quartile if there are more than 6 levels."""
    graded = [(rows[0].difficulty, rows) for rows in problems if rows[0].difficulty is not None]
    return [_level([graded[i] for i in members]) for members in difficulty_groups([difficulty for difficulty, _ in graded])]


def difficulty_groups(difficulties: Sequence[float]) -> list[list[int]]:
    """The places of equal difficulties, easiest first; of the quartiles if there are more than 6 levels."""
    levels = sorted(set(difficulties))
    if len(levels) > MAX_LEVELS:
        inner = np.quantile(difficulties, [0.25, 0.5, 0.75])
        bins = [int(np.searchsorted(inner, difficulty)) for difficulty in difficulties]
    else:
        bins = [levels.index(difficulty) for difficulty in difficulties]
    return [[i for i, b in enumerate(bins) if b == chosen] for chosen in sorted(set(bins))]


def _level(members: list[tuple[float, ProblemRows]]) -> dict[str, Any]:
    problems = [rows for _, rows in members]
    return {
        "from": min(difficulty for difficulty, _ in members),
        "to": max(difficulty for difficulty, _ in members),
        "problems": len(problems),
        "pass_at_1": pass_at_1(_correct(problems)),
        "thinking_length": fmean(_mean(counted(rows), lambda row: row.thinking_tokens) for rows in problems),
    }
