"""Several ways of training one student, measured alike, with their compute: `comparison.json`, and the same as Markdown. Imports no torch.

The paper's comparison is its table 6: Qwen2.5-32B trained by reinforcement learning, and distilled from DeepSeek-R1 by text alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from dunwu.errors import DataError
from dunwu.evaluation.stage_table import Cell, Look, Section, cell_text, markdown_table
from dunwu.evaluation.suite import Estimate, SuiteRow, accuracy, mean, read_rows, share

Json = dict[str, Any]
Problems = Mapping[tuple[str, str], Sequence[float]]
"""What each problem's answers are worth, by set and problem: 1 if right, else 0."""

COMPARISON_JSON, COMPARISON_MD = "comparison.json", "comparison.md"
PAPER_SOURCE = "DeepSeek-R1, arXiv 2501.12948, table 6"
PAPER_HEAD = ("AIME 2024", "AIME 2024 cons@64", "MATH-500", "GPQA Diamond", "LiveCodeBench")
PAPER: Mapping[str, tuple[float, ...]] = {
    "rl (DeepSeek-R1-Zero-Qwen-32B)": (47.0, 60.0, 91.6, 55.0, 40.2),
    "text (DeepSeek-R1-Distill-Qwen-32B)": (72.6, 83.3, 94.3, 62.1, 57.2),
}
"""Two of the paper's three rows, in percent: pass@1 but for cons@64."""


@dataclass(frozen=True, slots=True)
class Run:
    """One seed of a way."""

    pass_at_1: float
    student_flops: int
    teacher_flops: int


@dataclass(frozen=True, slots=True)
class Row:
    """A way over its seeds.

    ``pooled`` is pass@1 with its 95 % interval over problems, where a problem is worth the mean over all answers of all seeds. It covers
    other problems and other answers of these models; how far other seeds would be, only the ``runs`` show. ``over`` is the mean difference
    to the way that the comparison is against, problem by problem, with Student's interval.
    """

    name: str
    pooled: Estimate
    runs: tuple[Run, ...]
    over: Estimate | None = None

    @property
    def student_flops(self) -> float:
        """Mean over seeds."""
        return fmean(run.student_flops for run in self.runs)

    @property
    def teacher_flops(self) -> float:
        """Mean over seeds."""
        return fmean(run.teacher_flops for run in self.runs)


@dataclass(frozen=True)
class Comparison:
    """The ways, and models that none of them made."""

    rows: tuple[Row, ...]
    references: Mapping[str, Estimate]
    against: str = "rl"

    def as_json(self) -> Json:
        """As plain data, with the paper's rows."""
        return {
            "rows": [_row_json(row) for row in self.rows],
            "references": {name: _estimate_json(found) for name, found in self.references.items()},
            "against": self.against,
            "paper": {"source": PAPER_SOURCE, "columns": list(PAPER_HEAD), "rows": {name: list(values) for name, values in PAPER.items()}},
        }


def _estimate_json(found: Estimate) -> Json:
    return {"pass_at_1": found.value, "interval": [found.low, found.high], "problems": found.count}


def _row_json(row: Row) -> Json:
    return {
        "name": row.name,
        **_estimate_json(row.pooled),
        "over": None if row.over is None else {"difference": row.over.value, "interval": [row.over.low, row.over.high]},
        "student_flops": round(row.student_flops),
        "teacher_flops": round(row.teacher_flops),
        "seeds": len(row.runs),
        "runs": [asdict(run) for run in row.runs],
    }


def read_comparison(path: Path) -> Comparison:
    """Read a ``comparison.json``. Raises `DataError` if it is not a valid one."""
    try:
        data = json.loads(path.read_bytes())
        references = {name: _estimate(each) for name, each in data["references"].items()}
        return Comparison(tuple(map(_row, data["rows"])), references, str(data["against"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a comparison ({type(error).__name__}): delete its stage's folder and run the pipeline again"
        ) from error


def _estimate(data: Json) -> Estimate:
    low, high = data["interval"]
    return Estimate(float(data["pass_at_1"]), float(low), float(high), int(data["problems"]))


def _row(data: Json) -> Row:
    over = data["over"] and _estimate({**data, "pass_at_1": data["over"]["difference"], "interval": data["over"]["interval"]})
    return Row(str(data["name"]), _estimate(data), tuple(Run(**run) for run in data["runs"]), over)


def comparisons_in(run: Path) -> list[Path]:
    """The comparisons of a pipeline run, or the one in the folder itself; the newest last."""
    found = [path for path in (run / COMPARISON_JSON, *run.glob(f"stages/*/*/output/{COMPARISON_JSON}")) if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def read_problems(suite: Path) -> Problems:
    """The answers to the reasoning problems of a suite. Raises `DataError` if it has none."""
    found: dict[tuple[str, str], list[float]] = {}
    for file in sorted(suite.glob("reasoning-*.parquet")):
        for row in read_rows(file):
            _add(found.setdefault((file.stem, row.problem_id), []), row)
    if not any(found.values()):
        raise DataError(f"{suite} has no verified answers to reasoning problems: give a stage of kind `suite` with `reasoning`")
    return found


def _add(values: list[float], row: SuiteRow) -> None:
    """An answer whose verifier failed counts nowhere."""
    if (value := accuracy(row)) is not None:
        values.append(value)


def pool(seeds: Sequence[Problems]) -> Problems:
    """All answers to a problem together. Raises `DataError` if the seeds were not measured on the same problems."""
    if any(each.keys() != seeds[0].keys() for each in seeds):
        raise DataError("the seeds of a way were measured on different problems: give all suites the same configuration")
    return {key: [value for each in seeds for value in each[key]] for key in seeds[0]}


def estimate(problems: Problems) -> Estimate:
    """pass@1 with its interval over problems."""
    found = share(list(problems.values()))
    assert found is not None, "read_problems has checked that there are values"
    return found


def difference(one: Problems, other: Problems) -> Estimate | None:
    """The mean over common problems of the difference of their means, with Student's interval; ``None`` without a common one."""
    common = [key for key in one if one[key] and other.get(key)]
    return mean([[fmean(one[key]) - fmean(other[key])] for key in common])


def section(comparison: Comparison) -> Section:
    """A row for each reference and each way; the best way is marked."""
    best, look = max(row.pooled.value for row in comparison.rows), Look("pass@1")
    rows = [(name, (Cell(cell_text(each, look)), *[Cell("–")] * 4)) for name, each in comparison.references.items()]
    rows += [(row.name, (Cell(cell_text(row.pooled, look), row.pooled.value == best), *_beside(row))) for row in comparison.rows]
    head = ("pass@1", "range over seeds", f"over {comparison.against}", "student's FLOPs", "teacher's FLOPs")
    return Section("distillation or reinforcement learning", head, tuple(rows))


def _beside(row: Row) -> Iterator[Cell]:
    values = [100 * run.pass_at_1 for run in row.runs]
    yield Cell(f"{min(values):.1f}–{max(values):.1f}")
    yield Cell("–" if row.over is None else _signed(row.over))
    yield from (Cell(f"{flops:.1e}" if flops else "–") for flops in (row.student_flops, row.teacher_flops))


def paper_section() -> Section:
    """The paper's rows."""
    rows = tuple((name, tuple(Cell(f"{value:.1f}") for value in values)) for name, values in PAPER.items())
    return Section("the paper", PAPER_HEAD, rows)


def _signed(found: Estimate) -> str:
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def sentence(comparison: Comparison) -> str:
    """The result in one sentence: text against reinforcement learning, at equal compute of the student."""
    rows = {row.name: row for row in comparison.rows}
    text, rl = rows.get("text"), rows.get("rl")
    if text is None or rl is None or text.over is None or comparison.against != "rl":
        return ""
    a, b = f"{100 * text.pooled.value:.1f} %", f"{100 * rl.pooled.value:.1f} %"
    if text.over.low > 0:
        return f"Distillation by text has {a}, reinforcement learning {b}: distillation is better."
    if text.over.high < 0:
        return f"Distillation by text has {a}, reinforcement learning {b}: reinforcement learning is better."
    return f"Distillation by text has {a}, reinforcement learning {b}: the difference is within its interval."


NOTE = (
    "pass@1 is in percent over all seeds, with the 95 % interval over problems in parentheses; the range over seeds stands beside it."
    " FLOPs are means over seeds, without evaluations and without what made the base model and the teacher."
    " The teacher's are those of its answers, of what it computes beside the student, and of an assistant."
)


def markdown(comparison: Comparison) -> str:
    """The comparison as Markdown."""
    lines = [
        "# Distillation or reinforcement learning",
        "",
        *filter(None, [sentence(comparison)]),
        NOTE,
        "",
        *markdown_table(section(comparison)),
    ]
    return "\n".join([*lines, "", f"## The paper ({PAPER_SOURCE})", "", *markdown_table(paper_section())]) + "\n"
