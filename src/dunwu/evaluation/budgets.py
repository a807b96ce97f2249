"""Accuracy against thinking tokens, by budget forcing and by majorities. Imports no torch.

Budget forcing (Muennighoff et al., s1, arXiv 2501.19393, section 3.1, its upper limit): a stored thought is cut at n tokens and closed, and
the model answers at once, greedily. A thought of at most n tokens stays as it was sampled, with its own answer. Majority@m takes disjoint
blocks of m of the stored samples, in their order, and costs all their tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from dunwu.evaluation.metrics import finite_or_none, majority_at_k
from dunwu.evaluation.result import EvaluationResult, ProblemRows, scored
from dunwu.evaluation.suite import share

FIRST_BUDGET = 16


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """The answer to one stored completion at a ``budget`` of thinking tokens; ``kept``: as it was sampled. ``tokens``: all of them."""

    problem_id: str
    sample: int
    budget: int
    kept: bool
    text: str
    tokens: int
    score: float | None
    vote: str | None


def budget_grid(longest: int) -> list[int]:
    """0, then doubling from 16 while thoughts are longer, and the longest thought, at which all are kept."""
    doubled = [FIRST_BUDGET << power for power in range(32) if FIRST_BUDGET << power < longest]
    return [0, *doubled, *([longest] if longest else [])]


def budget_curve(rows: Sequence[BudgetRow]) -> list[dict[str, Any]]:
    """A point per budget: accuracy with its interval over problems, mean tokens, the share that is kept."""
    points = []
    for budget in sorted({row.budget for row in rows}):
        members = [row for row in rows if row.budget == budget]
        by_problem: dict[str, list[float]] = {}
        for row in members:
            by_problem.setdefault(row.problem_id, []).extend([] if row.score is None else [float(row.score == 1.0)])
        found = share(list(by_problem.values()))
        cost = {"tokens": fmean(row.tokens for row in members), "kept": fmean(row.kept for row in members)}
        points.append({"budget": budget, **cost, "accuracy": None if found is None else asdict(found)})
    checked: list[dict[str, Any]] = finite_or_none(points)
    return checked


def majority_curve(result: EvaluationResult) -> list[dict[str, Any]]:
    """majority@m for m = 1, 2, 4, ... and k, with an interval over problems, and its mean tokens."""
    sizes = sorted({result.k, *(1 << power for power in range(20) if 1 << power <= result.k)})
    points = [point for m in sizes if (point := _majority_point(result, m)) is not None]
    checked: list[dict[str, Any]] = finite_or_none(points)
    return checked


def _majority_point(result: EvaluationResult, m: int) -> dict[str, Any] | None:
    won = [value for rows in result.problems if (value := _blocks_won(rows, m)) is not None]
    if not won:
        return None
    tokens = m * float(np.mean([row.tokens for row in result.rows]))
    found = share([[value] for value in won])
    assert found is not None
    return {"m": m, "tokens": tokens, "majority": found.value, "interval": [found.low, found.high], "problems": len(won)}


def _blocks_won(rows: ProblemRows, m: int) -> float | None:
    """The share of whole blocks of m samples with a right majority; ``None`` without such a block."""
    usable = scored(rows)
    blocks = [usable[start : start + m] for start in range(0, len(usable) - m + 1, m)]
    won = [majority_at_k([[row.vote for row in block]], [[row.correct for row in block]]) for block in blocks]
    return fmean(won) if won else None
