"""The paper's claims with what was found, and the verdicts: `reproduction.json`, and the same as Markdown. Imports no torch.

The rule, written down before the first run. A problem's value is the mean over seeds of what its answers are worth; the difference is the
mean over problems of ``one - times * other`` with Student's 95 % interval. A claim

- **holds** if the whole interval is above the bound, and the difference of each seed alone is;
- **does not hold** if the whole interval is below the bound, and the difference of each seed alone is;
- is **inconclusive** otherwise, and always with one seed or one problem.

The interval covers other problems and other answers of these models. Other seeds are covered by the second condition alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, get_args

from dunwu.errors import DataError
from dunwu.evaluation.answers import Answers, Values, difficulties, values
from dunwu.evaluation.claims import Quantity, Side, Trial
from dunwu.evaluation.stage_table import Cell, Section, markdown_table
from dunwu.evaluation.suite import Estimate, mean

Json = dict[str, Any]
Verdict = Literal["holds", "does not hold", "inconclusive", "not measured", "not built"]

REPRODUCTION_JSON, REPRODUCTION_MD = "reproduction.json", "reproduction.md"
UNITS: Mapping[Quantity, str] = {"thinking": "tokens", "reflections": "words"}
"""Of what is no share: of others the unit is `PERCENT`, and differences are in points."""
PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Row:
    """A trial and its result. ``other`` and ``one`` are the two means, or those of the easiest and the hardest problems; ``seeds`` are the
    differences of each seed alone; ``runs`` are the models behind it."""

    claim: str
    says: str
    rule: str
    paper: str
    source: str
    verdict: Verdict
    unit: str = PERCENT
    other: float | None = None
    one: float | None = None
    difference: Estimate | None = None
    seeds: tuple[float, ...] = ()
    runs: tuple[str, ...] = ()


def judge(difference: Estimate | None, seeds: Sequence[float], bound: float) -> Verdict:
    """The verdict by the rule above."""
    if difference is None:
        return "not measured"
    if difference.count < 2 or len(seeds) < 2:
        return "inconclusive"
    if difference.low > bound and min(seeds) > bound:
        return "holds"
    return "does not hold" if difference.high < bound and max(seeds) < bound else "inconclusive"


def contrast(one: Values, other: Values, times: float) -> Values:
    """``one - times * other`` of the problems that both have."""
    return {key: one[key] - times * other[key] for key in one if key in other}


def over_seeds(seeds: Sequence[Values]) -> Values:
    """The mean over seeds of each problem that all have."""
    return {key: fmean(each[key] for each in seeds) for key in seeds[0] if all(key in each for each in seeds)}


def slopes(levels: Values, lengths: Values) -> Values:
    """What each problem adds to the slope of least squares: their mean is the slope, their spread gives its interval.

    With residuals ``e`` of the line and ``Sxx = mean (x - mean x)^2`` it is ``slope + (x - mean x) e / Sxx``, the influence function, whose
    standard error is White's (Econometrica 48, 1980): the residuals' variance may differ between levels. Empty if all levels are equal.
    """
    common = [key for key in lengths if key in levels]
    middle, height = (fmean(each[key] for key in common) if common else 0.0 for each in (levels, lengths))
    spread = fmean((levels[key] - middle) ** 2 for key in common) if common else 0.0
    if not spread:
        return {}
    slope = fmean((levels[key] - middle) * (lengths[key] - height) for key in common) / spread
    residuals = {key: lengths[key] - height - slope * (levels[key] - middle) for key in common}
    return {key: slope + (levels[key] - middle) * residuals[key] / spread for key in common}


@dataclass(frozen=True, slots=True)
class _Found:
    """The differences of each problem, over all seeds and of each seed alone, and the two means between which they are."""

    pooled: Values
    singles: Sequence[Values]
    other: float
    one: float


def result(trial: Trial, measured: Mapping[str, Answers], seeds: Sequence[int]) -> Row:
    """The row of a trial, with the answers of each model by its name."""
    row = Row(trial.claim, trial.says, rule(trial), trial.paper, trial.source, "not built")
    if trial.one is None:
        return row
    row = replace(row, runs=tuple(dict.fromkeys(name for side in trial.sides for name in side.names(seeds))))
    found = _compared(trial.one, trial.other, trial.times, measured, seeds) if trial.other else _sloped(trial.one, measured, seeds)
    each = tuple(fmean(single.values()) for single in found.singles if single)
    difference = mean([[value] for value in found.pooled.values()]) if len(each) == len(seeds) else None
    row = replace(row, verdict=judge(difference, each, trial.bound))
    if difference is None:
        return row
    unit = UNITS.get(trial.one.quantity, PERCENT)
    return replace(row, unit=unit, other=found.other, one=found.one, difference=difference, seeds=each)


def _compared(one: Side, other: Side, times: float, measured: Mapping[str, Answers], seeds: Sequence[int]) -> _Found:
    ones, others = ([values(measured[name], side.quantity) for name in side.names(seeds)] for side in (one, other))
    singles = [contrast(mine, theirs, times) for mine, theirs in zip(ones, others, strict=True)]
    pooled = over_seeds(singles)
    ends = [[found[key] for found in each for key in pooled] for each in (others, ones)]
    return _Found(pooled, singles, *(fmean(each) if each else 0.0 for each in ends))


def _sloped(side: Side, measured: Mapping[str, Answers], seeds: Sequence[int]) -> _Found:
    """The two means are those of the easiest and the hardest problems."""
    lengths = [values(measured[name], side.quantity) for name in side.names(seeds)]
    levels = difficulties(measured[side.names(seeds)[0]])
    pooled = over_seeds(lengths)
    known = {key: level for key, level in levels.items() if key in pooled}
    ends = [fmean(pooled[key] for key in known if known[key] == end(known.values())) if known else 0.0 for end in (min, max)]
    return _Found(slopes(levels, pooled), [slopes(levels, each) for each in lengths], *ends)


def rule(trial: Trial) -> str:
    """What must exceed what: ``zero - 3 x base > 0``."""
    if trial.one is None:
        return ""
    if trial.other is None:
        return f"slope of {trial.one.quantity} of {trial.one.model} over difficulty > 0"
    one, other = (side.model if trial.one.quantity == trial.other.quantity else f"{side.quantity} of {side.model}" for side in trial.sides)
    factor = "" if trial.times == 1 else f"{trial.times:g} x "
    bound = f"{100 * trial.bound:g} points" if trial.bound else "0"
    return f"{one} - {factor}{other} > {bound}"


@dataclass(frozen=True)
class Reproduction:
    """The rows of the table, over ``seeds``."""

    rows: tuple[Row, ...]
    seeds: tuple[int, ...]

    def as_json(self) -> Json:
        """As plain data."""
        return {"seeds": list(self.seeds), "rule": RULE, "rows": [asdict(row) for row in self.rows]}


def read_reproduction(path: Path) -> Reproduction:
    """Read a ``reproduction.json``. Raises `DataError` if it is not a valid one."""
    try:
        data = json.loads(path.read_bytes())
        return Reproduction(tuple(map(_row, data["rows"])), tuple(map(int, data["seeds"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a table of claims ({type(error).__name__}): delete its stage's folder and run again") from error


def _row(data: Json) -> Row:
    found = data["difference"]
    difference = None if found is None else Estimate(float(found["value"]), float(found["low"]), float(found["high"]), int(found["count"]))
    if data["verdict"] not in get_args(Verdict):
        raise ValueError(data["verdict"])
    return Row(**{**data, "difference": difference, "seeds": tuple(map(float, data["seeds"])), "runs": tuple(map(str, data["runs"]))})


def reproductions_in(run: Path) -> list[Path]:
    """The tables of claims of a pipeline run, the newest last."""
    found = [path for path in (run / REPRODUCTION_JSON, *run.glob(f"stages/*/*/output/{REPRODUCTION_JSON}")) if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


RULE = (
    "The rule was written down before the run: a claim holds if the whole 95 % interval of the difference over problems is above the bound,"
    " and the difference of each seed alone too; it does not hold if both are below; else, and with one seed, it is inconclusive."
    " The interval covers other problems, not other seeds."
)
ABSENT = "–"
HEAD = ("verdict", "here", "difference", "each seed", "rule", "the paper", "runs")


def cells(row: Row) -> tuple[str, ...]:
    """What `HEAD` names, as text."""
    paper, runs = f"{row.paper} ({row.source})", ", ".join(row.runs) or ABSENT
    if row.difference is None or row.one is None or row.other is None:
        return row.verdict, ABSENT, ABSENT, ABSENT, row.rule or ABSENT, paper, runs
    scale = 100.0 if row.unit == PERCENT else 1.0
    value, low, high = (f"{scale * each:+.1f}" for each in (row.difference.value, row.difference.low, row.difference.high))
    here = f"{scale * row.other:.1f} -> {scale * row.one:.1f} {row.unit}"
    seeds, unit = ", ".join(f"{scale * each:+.1f}" for each in row.seeds), "points" if row.unit == PERCENT else row.unit
    return row.verdict, here, f"{value} ({low} to {high}) {unit}", seeds, row.rule, paper, runs


def section(found: Reproduction) -> Section:
    """A row for each trial; a claim that holds is marked."""
    rows = [(row.says, tuple(Cell(text, text == "holds") for text in cells(row))) for row in found.rows]
    return Section("the paper's claims", HEAD, tuple(rows))


def sentence(found: Reproduction) -> str:
    """How many claims hold, in one line."""
    verdicts = [row.verdict for row in found.rows]
    counts = [f"{verdicts.count(each)} {each}" for each in get_args(Verdict) if each in verdicts]
    return f"Of {len(verdicts)} claims: {', '.join(counts)}."


def markdown(found: Reproduction) -> str:
    """The table as Markdown."""
    lines = ["# The paper's claims, tested again at the tiny scale", "", sentence(found), RULE, "", *markdown_table(section(found))]
    return "\n".join(lines) + "\n"
