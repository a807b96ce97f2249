"""The table of a pipeline's stages: one row per checkpoint, one column per metric, with intervals, and the paper's stages for comparison.

A table of one run has 95 % intervals over problems; a table of several runs, such as three seeds, has the mean and range over the runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import ValidationError

from dunwu.config.suite import Threshold
from dunwu.errors import DataError
from dunwu.evaluation.suite import Estimate
from dunwu.evaluation.thresholds import ByRow, Finding, check

Json = dict[str, Any]
STAGES_JSON, STAGES_MD = "stages.json", "stages.md"

PAPER_ROWS = ("zero", "dev1", "dev2", "dev3", "r1")
PAPER: Mapping[str, tuple[float, ...]] = {
    "AIME 2024": (77.9, 59.0, 74.0, 78.1, 79.8),
    "MATH-500": (95.9, 94.2, 95.9, 95.4, 97.3),
    "Codeforces rating": (1444, 1534, 1687, 1746, 2029),
    "GPQA Diamond": (75.8, 66.1, 70.7, 71.2, 71.5),
    "IF-Eval": (46.6, 71.7, 72.0, 78.1, 83.3),
    "AlpacaEval 2 LC": (24.7, 50.1, 55.8, 62.1, 87.6),
    "Arena-Hard": (53.6, 77.0, 73.2, 75.6, 92.3),
}
"""DeepSeek-R1's stages (Nature 645:633-638, 2025, table 2), in the order of `PAPER_ROWS`."""
PAPER_SOURCE = "DeepSeek-R1, Nature 645:633-638 (2025), table 2"


@dataclass(frozen=True, slots=True)
class Look:
    """How a metric is shown. ``better`` is 1 if higher is better, -1 if lower is better, 0 if neither."""

    label: str
    better: int = 1
    share: bool = True


LOOKS: Mapping[str, Look] = {
    "pass_at_1": Look("pass@1"),
    "language_consistency": Look("language consistency"),
    "well_formed": Look("well-formed"),
    "summary": Look("with a summary"),
    "repetition": Look("repetition", -1),
    "mixed_language": Look("mixed language", -1),
    "tokens": Look("tokens", 0, share=False),
    "accuracy": Look("accuracy"),
    "score": Look("reward model's score", share=False),
    "win_rate": Look("win rate"),
    "refused": Look("harmful refused"),
    "safe": Look("harmful answered safely (reward model)"),
    "answered": Look("harmless answered"),
}
"""By the last part of a metric's name."""


HEADLINES: Mapping[str, str] = {
    "reasoning.pass_at_1": "pass@1",
    "reasoning.language_consistency": "one language",
    "reasoning.well_formed": "well-formed",
    "general.accuracy": "general",
    "helpfulness.win_rate": "win rate",
    "safety.refused": "refused",
    "safety.answered": "answered",
}
"""Shares that summarise a checkpoint, with their column titles."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as text; ``best`` marks the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table of one group of metrics, with a row of cells per checkpoint."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class StageTable:
    """The estimates by metric and row, over ``runs`` runs; ``met_in`` counts the runs in which each threshold was met."""

    rows: tuple[str, ...]
    metrics: ByRow
    thresholds: tuple[Threshold, ...] = ()
    runs: int = 1
    met_in: tuple[int, ...] = ()
    baseline: str | None = None

    def findings(self) -> list[Finding]:
        """The finding of each threshold; for several runs it is based on their means."""
        return [check(threshold, self.metrics) for threshold in self.thresholds]

    def as_json(self) -> Json:
        """The table as plain data, including findings and the paper's rows."""
        findings = [{**asdict(f), "threshold": f.threshold.model_dump(mode="json", exclude_none=True)} for f in self.findings()]
        return {
            "rows": list(self.rows),
            "runs": self.runs,
            "baseline": self.baseline,
            "metrics": {name: {row: asdict(estimate) for row, estimate in found.items()} for name, found in self.metrics.items()},
            "thresholds": [f | ({"met_in": n} if self.runs > 1 else {}) for f, n in zip(findings, self._counts(), strict=True)],
            "paper": {"source": PAPER_SOURCE, "rows": list(PAPER_ROWS), "values": {name: list(values) for name, values in PAPER.items()}},
        }

    def _counts(self) -> tuple[int, ...]:
        return self.met_in or tuple(int(finding.outcome == "met") for finding in self.findings())


def read_table(path: Path) -> StageTable:
    """Read the table of one run from its ``stages.json``. Raises `DataError` if it is not a valid table."""
    try:
        data = json.loads(path.read_bytes())
        metrics = {name: {row: Estimate(**estimate) for row, estimate in found.items()} for name, found in data["metrics"].items()}
        thresholds = tuple(Threshold.model_validate(each["threshold"]) for each in data["thresholds"])
        return StageTable(tuple(data["rows"]), metrics, thresholds, baseline=data["baseline"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise DataError(
            f"{path} is not a table of stages ({type(error).__name__}): give a run whose stage `stage_table` is done"
        ) from error


def tables_in(run: Path) -> list[Path]:
    """The tables of a pipeline run, or the one in the folder itself."""
    return [path for path in (run / STAGES_JSON, *run.glob(f"stages/*/*/output/{STAGES_JSON}")) if path.is_file()]


def combine(tables: Sequence[StageTable]) -> StageTable:
    """Combine several runs of one pipeline: mean, range and count of each number. Raises `DataError` if rows or thresholds differ."""
    first = tables[0]
    if other := next((each for each in tables if each.rows != first.rows or each.thresholds != first.thresholds), None):
        raise DataError(
            f"runs have the rows {', '.join(first.rows)} and {', '.join(other.rows)}, or their thresholds differ: give runs of one recipe"
        )
    if len(tables) == 1:
        return first
    names = dict.fromkeys(name for each in tables for name in each.metrics)
    metrics = {}
    for name in names:
        by_row = {row: [each.metrics[name][row].value for each in tables if row in each.metrics.get(name, {})] for row in first.rows}
        metrics[name] = {row: Estimate(fmean(v), min(v), max(v), len(v)) for row, v in by_row.items() if v}
    met = tuple(sum(each.findings()[i].outcome == "met" for each in tables) for i in range(len(first.thresholds)))
    return StageTable(first.rows, metrics, first.thresholds, len(tables), met, first.baseline)


def look_of(metric: str) -> Look:
    """How a metric is shown, by the last part of its name; an unknown one is a plain number without a better side."""
    key = metric.rpartition(".")[2]
    return LOOKS.get(key, Look(key, 0, share=False))


def group_of(metric: str) -> str:
    """``reasoning: countdown-en`` for ``reasoning.countdown-en.pass_at_1``; a category belongs to its set's group."""
    return metric.rpartition(".")[0].partition("[")[0].replace(".", ": ")


def label_of(metric: str) -> str:
    """``pass@1`` for ``reasoning.countdown-en.pass_at_1``, ``facts: accuracy`` for ``general.tasks[facts].accuracy``."""
    category = metric.rpartition(".")[0].partition("[")[2].removesuffix("]")
    return f"{category}: {look_of(metric).label}" if category else look_of(metric).label


def sections(table: StageTable) -> list[Section]:
    """A section for each kind and each set, in the order of the metrics."""
    groups: dict[str, list[str]] = {}
    for metric in table.metrics:
        groups.setdefault(group_of(metric), []).append(metric)
    return [_section(group, names, table) for group, names in groups.items()]


def _section(group: str, names: Sequence[str], table: StageTable) -> Section:
    columns = [_column(name, table) for name in names]
    rows = tuple((row, tuple(column[place] for column in columns)) for place, row in enumerate(table.rows))
    return Section(group, tuple(map(label_of, names)), rows)


def _column(metric: str, table: StageTable) -> list[Cell]:
    """A metric's cells; the best is marked if the rows differ and one side is better."""
    found, look = table.metrics[metric], look_of(metric)
    merits = {row: look.better * estimate.value for row, estimate in found.items()}
    best = max(merits.values()) if len(set(merits.values())) > 1 else None
    return [Cell(cell_text(found[row], look), merits[row] == best) if row in found else Cell("–") for row in table.rows]


def cell_text(estimate: Estimate, look: Look) -> str:
    """``63.4 (58.1–68.4)``: shares in percent, other numbers unchanged."""
    value, low, high = ((100 * v if look.share else v) for v in (estimate.value, estimate.low, estimate.high))
    digits = 1 if look.share or abs(value) >= 10 else 2
    dash = "–" if low >= 0 else " to "
    return f"{value:.{digits}f} ({low:.{digits}f}{dash}{high:.{digits}f})"


def paper_section(rows: Sequence[str]) -> Section | None:
    """The paper's rows of the same names, each with its change from the previous row; ``None`` without such a row."""
    known = [place for place, name in enumerate(PAPER_ROWS) if name in {row.lower() for row in rows}]
    found = tuple((PAPER_ROWS[place], tuple(_paper_cell(values, place) for values in PAPER.values())) for place in known)
    return Section("the paper", tuple(PAPER), found) if found else None


def _paper_cell(values: Sequence[float], place: int) -> Cell:
    text = f"{values[place]:g}"
    if place:
        change = round(values[place] - values[place - 1], 1)
        text += f" ({change:+g})" if isinstance(values[place], int) else f" ({change:+.1f})"
    return Cell(text, values[place] == max(values))


def interval_text(runs: int) -> str:
    """What the parentheses contain."""
    return "95 % interval over problems" if runs == 1 else f"range over {runs} runs around the mean"


def markdown(table: StageTable) -> str:
    """The whole table as Markdown."""
    lines = ["# Stages", "", f"Shares in percent, with the {interval_text(table.runs)} in parentheses. The best value of a column is bold."]
    for section in sections(table):
        lines += ["", f"## {section.title.capitalize()}", "", *markdown_table(section)]
    if paper := paper_section(table.rows):
        lines += [
            "",
            f"## The paper's stages ({PAPER_SOURCE})",
            "",
            "The change from the row above is in parentheses.",
            "",
            *markdown_table(paper),
        ]
    if table.thresholds:
        lines += ["", "## Thresholds set before the run", "", *(f"- {line}" for line in threshold_lines(table))]
    return "\n".join(lines) + "\n"


def headlines(table: StageTable) -> list[str]:
    """The measured `HEADLINES` as terminal lines, in percent without intervals; empty if there are none."""
    known = {metric: label for metric, label in HEADLINES.items() if metric in table.metrics}
    width = max(map(len, table.rows))
    lines = [" " * width + "".join(f"  {label}" for label in known.values())]
    for row in table.rows:
        found = [table.metrics[metric].get(row) for metric in known]
        cells = [f"{100 * each.value:.1f}" if each else "-" for each in found]
        lines.append(row.ljust(width) + "".join(f"  {cell:>{len(label)}}" for cell, label in zip(cells, known.values(), strict=True)))
    return lines if known else []


def threshold_lines(table: StageTable) -> list[str]:
    """One sentence per threshold."""
    counts = table._counts()
    several = [f" Met in {n} of {table.runs} runs." if table.runs > 1 else "" for n in counts]
    marks = {"met": "met", "not met": "NOT MET", "not measured": "NOT MEASURED"}
    return [f"{marks[f.outcome]}: {f.told}{more}" for f, more in zip(table.findings(), several, strict=True)]


def threshold_words(finding: Finding) -> str:
    """The finding for readers who do not know the metrics' names: ``pass@1 (reasoning) of zero is 12.5 %; at least ... was required.``"""
    bound, look = finding.threshold, look_of(finding.threshold.metric)
    name, other = f"{label_of(bound.metric)} ({group_of(bound.metric)}) of {bound.of}", bound.times or bound.above
    if finding.value is None or finding.bound is None:
        return f"{name} was not measured." if other is None else f"{name}, or that of {other}, was not measured."
    side, factor = ("at least", bound.at_least) if bound.at_least is not None else ("at most", bound.at_most)
    assert factor is not None, "the configuration requires one of them"
    required = f"{side} {_amount(finding.bound, look)} was required"
    if bound.times:
        required += f", {factor:g} times that of {other}"
    elif bound.above:
        more = f" {'plus' if factor > 0 else 'minus'} {_amount(abs(factor), look).replace('%', 'points')}" if factor else ""
        required += f", that of {other}{more}"
    return f"{name} is {_amount(finding.value, look)}; {required}."


def _amount(value: float, look: Look) -> str:
    return f"{100 * value:.1f} %" if look.share else f"{value:.4g}"


def markdown_table(section: Section) -> list[str]:
    """The lines of a section's table; the best cells are bold."""
    head = ["", *section.head]
    rows = [[name, *(f"**{cell.text}**" if cell.best else cell.text for cell in cells)] for name, cells in section.rows]
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    """A line of a Markdown table. A category is any text: a bar or line end would break the table, an angle bracket would be HTML."""
    plain = [" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells]
    return f"| {' | '.join(plain)} |"
