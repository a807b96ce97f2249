"""The results of a checkpoint's suite: one row per completion, and the metrics computed from them. Imports no torch.

The problem is the sampling unit, as in `dunwu.evaluation.metrics`: all problems (or prompts) have the same weight, however many of their
completions a metric applies to. Metrics are named ``reasoning.SET.pass_at_1``; those without a set cover the problems of all sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from dunwu.errors import DataError
from dunwu.evaluation.intervals import t_factor
from dunwu.evaluation.metrics import Correct, pass_at_1, pass_interval
from dunwu.evaluation.readability import MIXED_BELOW
from dunwu.types import FinishReason, Reason

Json = dict[str, Any]
SetKind = Literal["reasoning", "general", "helpfulness", "harmful", "harmless"]


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One completion.

    ``completion`` is prefill + completion, and ``visible`` the part that a user reads. ``score`` is ``None`` if the verifier failed, and
    for prompts without an answer (``verdict`` is ``None`` too). ``judged`` is a reward model's score, ``None`` without one or if it gave
    none. The others are those of `Readability`; ``thought_language`` is ``None`` without words.
    """

    problem_id: str
    category: str | None
    text: str
    language: str
    sample: int
    completion: str
    tokens: int
    finish_reason: FinishReason
    score: float | None
    verdict: Reason | None
    well_formed: bool
    summary: bool
    repetition: float
    thought_language: float | None
    visible: str
    refused: bool
    judged: float | None = None


@dataclass(frozen=True, slots=True)
class SuiteSet:
    """All rows of one held-out set; ``name`` is empty for kinds of which a suite has only one set."""

    kind: SetKind
    name: str
    rows: tuple[SuiteRow, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95 % interval over ``count`` problems, or with its range over ``count`` runs."""

    value: float
    low: float
    high: float
    count: int


Value = Callable[[SuiteRow], float | None]
Metrics = dict[str, Estimate]


def share(problems: Sequence[Sequence[float]]) -> Estimate | None:
    """Mean over problems of values from 0 to 1, with the interval of `pass_interval`; ``None`` without values."""
    known = [values for values in problems if values]
    if not known:
        return None
    # Both functions are valid for any values from 0 to 1: the variance is at most p (1 - p), so the interval is never too narrow.
    values = cast(Correct, known)
    return Estimate(pass_at_1(values), *pass_interval(values), len(known))


def mean(problems: Sequence[Sequence[float]], least: float = -math.inf) -> Estimate | None:
    """Mean over problems of values of at least ``least``, with Student's interval (width 0 for one problem); ``None`` without values."""
    means = [fmean(values) for values in problems if values]
    if not means:
        return None
    half = t_factor(len(means) - 1) * stdev(means) / math.sqrt(len(means)) if len(means) > 1 else 0.0
    return Estimate(fmean(means), max(fmean(means) - half, least), fmean(means) + half, len(means))


def by_problem(rows: Iterable[SuiteRow], value: Value) -> list[list[float]]:
    """``value`` of the rows of one set, by problem; rows to which it does not apply are omitted."""
    found: dict[str, list[float]] = {}
    for row in rows:
        values = found.setdefault(row.problem_id, [])
        if (number := value(row)) is not None:
            values.append(float(number))
    return list(found.values())


def accuracy(row: SuiteRow) -> float | None:
    """1 if the answer is right, else 0; ``None`` if its verifier failed."""
    return None if row.score is None else float(row.score == 1.0)


def _mixed(row: SuiteRow) -> float | None:
    return None if row.thought_language is None else float(row.thought_language < MIXED_BELOW)


_SHARES: Mapping[SetKind, Mapping[str, Value]] = {
    "reasoning": {
        "pass_at_1": accuracy,
        "language_consistency": lambda row: row.thought_language,
        "well_formed": lambda row: row.well_formed,
        "summary": lambda row: row.summary,
        "repetition": lambda row: row.repetition,
        "mixed_language": _mixed,
    },
    "general": {"accuracy": accuracy},
    "helpfulness": {},
    "harmful": {"refused": lambda row: row.refused, "safe": lambda row: None if row.judged is None else float(row.judged > 0)},
    "harmless": {"answered": lambda row: bool(row.visible) and not row.refused},
}
_MEANS: Mapping[SetKind, Mapping[str, Value]] = {
    "reasoning": {"tokens": lambda row: row.tokens},
    "general": {},
    "helpfulness": {"score": lambda row: row.judged, "tokens": lambda row: row.tokens},
    "harmful": {},
    "harmless": {},
}
_LEAST = {"tokens": 0.0}
"""The least possible value of a mean."""
_GROUPS: Mapping[SetKind, str] = {"harmful": "safety", "harmless": "safety"}


def suite_metrics(sets: Sequence[SuiteSet]) -> Metrics:
    """All metrics for which the sets have values: first over all sets of a kind, then per set, then per category."""
    found: dict[str, Estimate | None] = {}
    for kind in dict.fromkeys(each.kind for each in sets):
        group, members = _GROUPS.get(kind, kind), [each for each in sets if each.kind == kind]
        found |= _metrics(group, members)
        for each in members if members[0].name else ():
            found |= _metrics(f"{group}.{each.name}", [each])
            for category in dict.fromkeys(row.category for row in each.rows if row.category) if kind == "general" else ():
                rows = tuple(row for row in each.rows if row.category == category)
                found |= _metrics(f"{group}.{each.name}[{category}]", [SuiteSet(kind, each.name, rows)])
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def _metrics(prefix: str, sets: Sequence[SuiteSet]) -> dict[str, Estimate | None]:
    """The metrics of sets of one kind; a problem in two sets counts in both."""

    def values(value: Value) -> list[list[float]]:
        return [values for each in sets for values in by_problem(each.rows, value)]

    shares = {f"{prefix}.{name}": share(values(value)) for name, value in _SHARES[sets[0].kind].items()}
    return shares | {f"{prefix}.{name}": mean(values(value), _LEAST.get(name, -math.inf)) for name, value in _MEANS[sets[0].kind].items()}


def win_rate(rows: Iterable[SuiteRow], baseline: Iterable[SuiteRow]) -> Estimate | None:
    """How often an answer is judged better than the baseline's to the same prompt (a tie counts half); ``None`` without common prompts.

    All pairs of an answer and a baseline answer to a prompt count; both must have been judged by the same model.
    """
    theirs = _judged(baseline)
    pairs = [
        [(a > b) + (a == b) / 2 for a in mine for b in theirs[problem]] for problem, mine in _judged(rows).items() if problem in theirs
    ]
    return share(pairs)


def _judged(rows: Iterable[SuiteRow]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.judged is not None:
            found.setdefault(row.problem_id, []).append(row.judged)
    return found


def set_facts(found: SuiteSet) -> Json:
    """Counts of a set; ``excluded`` counts completions whose verifier failed, ``judged`` those that a reward model scored."""
    rows = found.rows
    return {
        "kind": found.kind,
        "problems": len({row.problem_id for row in rows}),
        "completions": len(rows),
        "tokens": sum(row.tokens for row in rows),
        "cut off": sum(row.finish_reason == "length" for row in rows),
        "excluded": sum(row.score is None and row.verdict not in (None, "unverified") for row in rows),
        "judged": sum(row.judged is not None for row in rows),
    }


def read_rows(path: Path) -> tuple[SuiteRow, ...]:
    """Read the rows of one set. Raises `DataError` if the file is missing, corrupt, or not a set."""
    try:
        return tuple(SuiteRow(**row) for row in pq.read_table(path).to_pylist())
    except (OSError, pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a set of a suite ({type(error).__name__}): delete it and run the stage again") from error
