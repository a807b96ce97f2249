"""The stage that compares the suites of a pipeline's checkpoints in one table and checks thresholds: `stages.json` and `stages.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dunwu.config.suite import StageTableConfig
from dunwu.errors import ConfigError, DataError
from dunwu.evaluation.stage_table import STAGES_JSON, STAGES_MD, StageTable, headlines, markdown, threshold_lines
from dunwu.evaluation.suite import Estimate, read_rows, win_rate
from dunwu.run.reporter import QUIET, Reporter

Json = dict[str, Any]
SUMMARY = "suite.json"
ANSWERS = "helpfulness.parquet"
WIN_RATE = "helpfulness.win_rate"


def run_stage_table(config: StageTableConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Write the table into ``out``. An unmet threshold is named there and by ``reporter``; it is not an error.

    Raises `DataError` for a row that is not a suite, `ConfigError` if answers were judged by different models.
    """
    suites = {row.name: Path(row.path) for row in config.rows}
    summaries = {name: read_suite(folder) for name, folder in suites.items()}
    metrics: dict[str, dict[str, Estimate]] = {}
    for name, summary in summaries.items():
        for metric, estimate in summary["metrics"].items():
            metrics.setdefault(metric, {})[name] = Estimate(**estimate)
    if config.baseline is not None and (wins := win_rates(config.baseline, suites, summaries)):
        metrics[WIN_RATE] = wins
    table = StageTable(tuple(suites), metrics, config.thresholds, baseline=config.baseline)
    (out / STAGES_JSON).write_text(json.dumps(table.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / STAGES_MD).write_text(markdown(table), encoding="utf-8")
    reporter.say("\n".join([*headlines(table), *threshold_lines(table)]))
    return out


def read_suite(folder: Path) -> Json:
    """Metrics and judges from the ``suite.json`` of a `suite` stage. Raises `DataError` if it is missing."""
    try:
        found = json.loads((folder / SUMMARY).read_bytes())
        return {"metrics": found["metrics"], "judges": found["judges"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} has no suite ({SUMMARY}: {type(error).__name__}): give the output of a stage of kind `suite`") from error


def win_rates(baseline: str, suites: Mapping[str, Path], summaries: Mapping[str, Json]) -> dict[str, Estimate]:
    """For each other row with answers to the general prompts, how often they are judged better than the baseline's."""
    judge = summaries[baseline]["judges"].get("helpfulness")
    if judge is None:
        raise ConfigError(f"baseline = {baseline!r}: its suite has no helpfulness; leave baseline out, or give its suite helpfulness")
    theirs = read_rows(suites[baseline] / ANSWERS)
    found = {}
    for name, summary in summaries.items():
        mine = summary["judges"].get("helpfulness")
        if name == baseline or mine is None:
            continue
        if mine != judge:
            raise ConfigError(f"rows {name} and {baseline} were judged by different helpfulness models: give their suites the same")
        if rate := win_rate(read_rows(suites[name] / ANSWERS), theirs):
            found[name] = rate
    return found
