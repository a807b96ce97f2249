"""Are reflections decorative? What the model answers with and without the reflection that it wrote. Imports no torch.

At the first reflection of a stored completion the model goes on from two prefixes, with fixed seeds: ``free``, cut just before the
reflective passage, and ``kept``, cut just after it. The conditions are

* ``before``: the first k free continuations. The model may reflect again, in these words or others.
* ``again``: the next k. They differ from ``before`` by chance alone, and so are the yardstick of changed answers.
* ``kept``: k continuations of the passage as it was written.
* ``averted``: the passage is removed and the next sentence does not reflect: of the free continuations in their order the first k whose
  first sentence has no reflective word, drawing more until there are k or `MOST_TRIES` times k are drawn.

* ``going on``: of the same draws those that neither reflect nor end the thought, at most k. A model that is kept from reflecting may give
  up instead: this is the effect without that.

Why ``averted`` is sound: rejecting draws samples exactly from the policy, given that its next sentence does not reflect. Forbidding tokens
instead would have to forbid each spelling of each word in each tokenizer, and would push the model to texts that it never writes. What the
model does next depends on the prefix alone. So whether it reflects there is a draw like any other, and ``kept`` minus ``averted`` is the
effect of this reflection, not of the problems on which models reflect. One passage is kept per cut: the interval is over problems, and
covers the draw of passages. A completion whose free continuations all reflect cannot be averted, and is counted.

The attempt before the reflection is right or wrong as the answer is that the model gives, greedily, when its thought is closed there.
A reflection is decorative as far as neither accuracy nor answers change by more than chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from statistics import fmean
from typing import Any, Literal

from dunwu.evaluation.intervals import LEVEL
from dunwu.evaluation.metrics import finite_or_none
from dunwu.evaluation.paired import bootstrap_interval, sign_flip_p
from dunwu.evaluation.suite import share

MOST_TRIES = 8
CONDITIONS = ("before", "again", "kept", "averted", "going on")
EFFECTS = (("kept", "averted"), ("kept", "going on"), ("kept", "before"), ("before", "averted"))
Kind = Literal["reflection", "control"]
Draw = Literal["free", "kept", "forced"]


@dataclass(frozen=True, slots=True)
class CausalRow:
    """One continuation of a stored completion, the ``number``-th of its ``draw``. ``tokens`` are those of the continuation."""

    kind: Kind
    problem_id: str
    sample: int
    before: int
    after: int
    position: float
    draw: Draw
    number: int
    text: str
    tokens: int
    reflects: bool
    score: float | None
    vote: str | None

    @property
    def closes(self) -> bool:
        """Whether it ends the thought at once."""
        return self.text.lstrip().startswith("</think>")


@dataclass(frozen=True)
class Cell:
    """The continuations of one cut, by condition; ``right``: the attempt before the passage was, ``None`` without a verdict."""

    problem_id: str
    by_condition: dict[str, list[CausalRow]]
    right: bool | None

    def accuracy(self, condition: str) -> Fraction | None:
        """The share of right answers; ``None`` without verdicts."""
        scores = [int(row.score == 1.0) for row in self.by_condition[condition] if row.score is not None]
        return Fraction(sum(scores), len(scores)) if scores else None

    def majority(self, condition: str) -> str | None:
        """The most frequent answer, the first of equals; ``None`` without an answer."""
        votes = Counter(row.vote for row in self.by_condition[condition] if row.vote is not None)
        return max(votes, key=votes.__getitem__) if votes else None

    def changed(self, one: str, other: str) -> Fraction | None:
        """1 if the majority answers differ, else 0; ``None`` if a condition has fewer continuations than the other."""
        sizes = {len(self.by_condition[name]) for name in (one, other)}
        return None if len(sizes) > 1 or 0 in sizes else Fraction(int(self.majority(one) != self.majority(other)))


Value = Callable[[Cell], Fraction | None]


def cells(rows: Sequence[CausalRow], kind: Kind, k: int) -> list[Cell]:
    """The cuts of a kind, in order."""
    by_cut: dict[tuple[str, int], list[CausalRow]] = {}
    for row in rows:
        if row.kind == kind:
            by_cut.setdefault((row.problem_id, row.sample), []).append(row)
    return [_cell(members, k) for members in by_cut.values()]


def averted(free: Sequence[CausalRow], k: int) -> list[CausalRow]:
    """The first k of the free continuations, by number, that do not begin with a reflection."""
    return [row for row in sorted(free, key=lambda row: row.number) if not row.reflects][:k]


def _cell(rows: Sequence[CausalRow], k: int) -> Cell:
    def drawn(draw: Draw) -> list[CausalRow]:
        return sorted((row for row in rows if row.draw == draw), key=lambda row: row.number)

    free, forced = drawn("free"), [row.score for row in drawn("forced") if row.score is not None]
    found = {"before": free[:k], "again": free[k : 2 * k], "kept": drawn("kept"), "averted": averted(free, k)}
    found["going on"] = averted([row for row in free if not row.closes], k)
    return Cell(rows[0].problem_id, found, forced[0] == 1.0 if forced else None)


def causal_summary(rows: Sequence[CausalRow], k: int, seed: int = 0) -> dict[str, Any]:
    """The figures by kind, those of reflections split by the attempt before; an interval is over problems."""
    found: dict[str, Any] = {}
    for kind in ("reflection", "control"):
        members = cells(rows, kind, k)
        found[kind] = _figures(members, seed)
        if kind == "reflection":
            for name, right in (("right", True), ("wrong", False)):
                found[f"{kind}_after_{name}"] = _figures([cell for cell in members if cell.right is right], seed)
    checked: dict[str, Any] = finite_or_none({"k": k, **found, "verdict": verdict(found["reflection"])})
    return checked


def _figures(members: Sequence[Cell], seed: int) -> dict[str, Any]:
    forced = _share(members, lambda cell: None if cell.right is None else Fraction(int(cell.right)))
    return {
        "completions": len(members),
        "problems": len({cell.problem_id for cell in members}),
        "never_averted": sum(not cell.by_condition["averted"] for cell in members),
        "reflects_again": _mean([fmean(row.reflects for row in free) for cell in members if (free := cell.by_condition["before"])]),
        "averted_closed": _mean([float(row.closes) for cell in members for row in cell.by_condition["averted"]]),
        "forced": forced,
        "accuracy": {name: _accuracy(members, name) for name in CONDITIONS},
        "effects": {
            f"{one} - {other}": _effect(members, _difference(one, other), seed, _alike(members, one, other)) for one, other in EFFECTS
        },
        "changed": _changed(members, seed),
    }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _accuracy(members: Sequence[Cell], condition: str) -> dict[str, Any] | None:
    found = _share(members, lambda cell: cell.accuracy(condition))
    tokens = [row.tokens for cell in members for row in cell.by_condition[condition]]
    return None if found is None else {**found, "tokens": fmean(tokens)}


def _share(members: Sequence[Cell], of: Value) -> dict[str, Any] | None:
    """The mean over problems of values from 0 to 1, with its interval."""
    found = share([[float(value) for value in values] for values in _by_problem(members, of)])
    return None if found is None else asdict(found)


def _changed(members: Sequence[Cell], seed: int) -> dict[str, Any]:
    """How often the majority answer changes, how often by chance alone, and what is more than chance, over the same completions."""

    def more(cell: Cell) -> Fraction | None:
        changed, chance = cell.changed("averted", "kept"), cell.changed("before", "again")
        return None if changed is None or chance is None else changed - chance

    usable = [cell for cell in members if more(cell) is not None]
    by_reflection = _share(usable, lambda cell: cell.changed("averted", "kept"))
    by_chance = _share(usable, lambda cell: cell.changed("before", "again"))
    return {"averted to kept": by_reflection, "by chance": by_chance, "more": _effect(usable, more, seed, alike=False)}


def _alike(members: Sequence[Cell], one: str, other: str) -> bool:
    """Whether both conditions have as many draws of each completion: only then are the signs of differences exchangeable."""
    sizes = [(len(cell.by_condition[one]), len(cell.by_condition[other])) for cell in members]
    return all(first == second for first, second in sizes if first and second)


def _difference(one: str, other: str) -> Value:
    def of(cell: Cell) -> Fraction | None:
        first, second = cell.accuracy(one), cell.accuracy(other)
        return None if first is None or second is None else first - second

    return of


def _effect(members: Sequence[Cell], of: Value, seed: int, alike: bool) -> dict[str, Any] | None:
    """The mean over problems, with the paired interval and p-value of `dunwu.evaluation.paired`; ``None`` without a problem."""
    means = [sum(values, Fraction(0)) / len(values) for values in _by_problem(members, of)]
    if not means:
        return None
    p_value, exact = sign_flip_p(means, seed)
    interval = bootstrap_interval([float(each) for each in means], seed)
    return {
        "mean": float(sum(means) / len(means)),
        "interval": list(interval),
        "p_value": p_value,
        "exact": exact and alike,
        "problems": len(means),
    }


def _by_problem(members: Sequence[Cell], of: Value) -> list[list[Fraction]]:
    found: dict[str, list[Fraction]] = {}
    for cell in members:
        if (value := of(cell)) is not None:
            found.setdefault(cell.problem_id, []).append(value)
    return list(found.values())


def verdict(figures: dict[str, Any]) -> str:
    """The finding in words."""
    effect, more = figures["effects"]["kept - averted"], figures["changed"]["more"]
    if effect is None:
        return "not measured: nothing to compare"
    if effect["p_value"] < 1 - LEVEL:
        return "reflections help" if effect["mean"] > 0 else "reflections hurt"
    if more is not None and more["p_value"] < 1 - LEVEL and more["mean"] > 0:
        return "answers change, without a clear gain or loss"
    return "decorative, as far as these problems tell"
