"""The same problem before and after training, picked by a fixed rule to rule out cherry-picking."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dunwu.analysis.text import Shown, shown, visible
from dunwu.evaluation.result import EvaluationResult, EvaluationRow

SOLVED, STILL_WRONG, KEPT, LOST = "from wrong to right", "still wrong", "right both times", "from right to wrong"
PICKED: Mapping[str, int] = {SOLVED: 3, STILL_WRONG: 1, LOST: 1}
RULE = (
    "Each problem is judged by its first sample before and its first sample after training. "
    "The page shows the three hardest that went from wrong to right, the hardest that is still wrong, and the hardest that went "
    "from right to wrong, if there are any; ties are ordered by name."
)


@dataclass(frozen=True)
class Side:
    """One completion of a pair."""

    phase: str
    verdict: str
    tokens: int
    reflections: int
    completion: Shown


@dataclass(frozen=True)
class Pair:
    """A problem with its first sample before and after."""

    kind: str
    problem_id: str
    problem: str
    difficulty: float | None
    sides: tuple[Side, Side]

    @property
    def solved(self) -> bool:
        """True if it went from wrong to right."""
        return self.kind == SOLVED


@dataclass(frozen=True)
class Comparison:
    """The chosen pairs, and the number of problems of each kind."""

    counts: Mapping[str, int]
    pairs: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """The number of problems of each kind in words."""
        counts = [f"{self.counts.get(kind, 0)} {kind}" for kind in (SOLVED, KEPT, STILL_WRONG, LOST)]
        return f"Of {sum(self.counts.values())} problems, by their first samples: {', '.join(counts)}."


def compare(results: Mapping[str, EvaluationResult]) -> Comparison | None:
    """Pairs from a held-out set's evaluations ``before`` and ``after``, chosen by ``RULE``; ``None`` if one of them is missing.

    Excluded samples (no score) are not paired.
    """
    if not {"before", "after"} <= results.keys():
        return None
    before, after = (_first_samples(results[phase].rows) for phase in ("before", "after"))
    both = [(before[name], after[name]) for name in before if name in after]
    both.sort(key=lambda pair: (-(pair[1].difficulty if pair[1].difficulty is not None else -math.inf), pair[1].problem_id))
    kinds = [_kind(*pair) for pair in both]
    pairs = [
        _pair(kind, *pair)
        for kind, wanted in PICKED.items()
        for pair in [found for found, its in zip(both, kinds, strict=True) if its == kind][:wanted]
    ]
    return Comparison(Counter(kinds), tuple(pairs))


def _first_samples(rows: Sequence[EvaluationRow]) -> dict[str, EvaluationRow]:
    return {row.problem_id: row for row in rows if row.sample == 0 and row.score is not None}


def _kind(before: EvaluationRow, after: EvaluationRow) -> str:
    if after.correct:
        return KEPT if before.correct else SOLVED
    return LOST if before.correct else STILL_WRONG


def _pair(kind: str, before: EvaluationRow, after: EvaluationRow) -> Pair:
    sides = (_side("before", before), _side("after", after))
    return Pair(kind, visible(after.problem_id), visible(after.text), after.difficulty, sides)


def _side(phase: str, row: EvaluationRow) -> Side:
    return Side(phase, row.verdict, row.tokens, row.reflections, shown(row.completion))
