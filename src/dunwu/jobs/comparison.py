"""The stage that compares several ways of training one student: their suites, and the compute that their stages record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from dunwu.config.compare import ComparedRun, ComparisonConfig
from dunwu.errors import DataError
from dunwu.evaluation.comparison import (
    COMPARISON_JSON,
    COMPARISON_MD,
    Comparison,
    Problems,
    Row,
    Run,
    difference,
    estimate,
    markdown,
    pool,
    read_problems,
    section,
    sentence,
)
from dunwu.run.reporter import QUIET, Reporter
from dunwu.run.usage import stage_cost


def run_comparison(config: ComparisonConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the comparison into ``out``. Raises `DataError` for suites without verified answers, and for stages of unknown compute."""
    found = {row.name: [read_problems(Path(run.suite)) for run in row.runs] for row in config.rows}
    pooled = {name: pool(seeds) for name, seeds in found.items()}
    rows = [
        Row(row.name, estimate(pooled[row.name]), tuple(map(_run, row.runs, found[row.name])))  # in the order of the configuration
        for row in config.rows
    ]
    if other := pooled.get(config.against):
        rows = [row if row.name == config.against else replace(row, over=difference(pooled[row.name], other)) for row in rows]
    references = {name: estimate(read_problems(Path(suite))) for name, suite in config.references.items()}
    comparison = Comparison(tuple(rows), references, config.against)
    text = json.dumps(comparison.as_json(), indent=2, ensure_ascii=False)
    (out / COMPARISON_JSON).write_text(text + "\n", encoding="utf-8")
    (out / COMPARISON_MD).write_text(markdown(comparison), encoding="utf-8")
    reporter.facts((name, cells[0].text) for name, cells in section(comparison).rows)
    reporter.say(sentence(comparison))
    return out


def _run(run: ComparedRun, problems: Problems) -> Run:
    """The teacher's FLOPs are those beside the student, and all of the stages that count as the teacher's."""
    student, teacher = [_cost(path) for path in run.student.values()], [_cost(path) for path in run.teacher.values()]
    beside = sum(_flops(cost, "teacher_flops") for cost in (*student, *teacher))
    own, others = (sum(_flops(cost, "flops") for cost in costs) for costs in (student, teacher))
    return Run(estimate(problems).value, own, others + beside)


def _flops(cost: dict[str, Any], name: str) -> int:
    return int(cost.get(name) or 0)


def _cost(path: str) -> dict[str, Any]:
    if (found := stage_cost(Path(path))) is None:
        raise DataError(f"{path}: its compute is unknown, as no stage of a pipeline made it; give the outputs of stages")
    return found
