"""The stage that makes the table: whose answers may be compared, and what is no suite."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dunwu.config.load import load_config
from dunwu.config.suite import StageTableConfig
from dunwu.errors import ConfigError, DataError
from dunwu.evaluation.stage_table import read_table
from dunwu.evaluation.suite import SuiteRow
from dunwu.jobs.stage_table import run_stage_table
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.run.tables import rows_table
from tests.evaluation.suite_rows import row


def write_suite(folder: Path, judged: float, judge: str | None = "j") -> Path:
    """A suite of one general prompt with one answer."""
    folder.mkdir()
    metrics = {"reasoning.pass_at_1": {"value": 0.5, "low": 0.4, "high": 0.6, "count": 9}}
    judges = {} if judge is None else {"helpfulness": judge}
    (folder / "suite.json").write_text(json.dumps({"sets": {}, "judges": judges, "metrics": metrics}), encoding="utf-8")
    pq.write_table(rows_table([row("p", judged=judged)], SuiteRow), folder / "helpfulness.parquet")
    return folder


def config(*rows: Path, **more: object) -> StageTableConfig:
    return StageTableConfig.model_validate({"rows": [{"name": path.name, "path": str(path)} for path in rows], **more})


def test_win_rates_are_against_the_baseline_and_rows_keep_their_order(tmp_path: Path) -> None:
    suites = [write_suite(tmp_path / name, judged) for name, judged in (("zero", 2.0), ("base", 1.0), ("dev1", 0.5))]
    suites.append(write_suite(tmp_path / "unjudged", 9.0, judge=None))
    (tmp_path / "out").mkdir()
    run_stage_table(config(*suites, baseline="base"), tmp_path / "out")
    table = read_table(tmp_path / "out" / "stages.json")
    assert table.rows == ("zero", "base", "dev1", "unjudged")
    assert {name: each.value for name, each in table.metrics["helpfulness.win_rate"].items()} == {"zero": 1.0, "dev1": 0.0}


def test_answers_judged_by_different_models_are_not_compared(tmp_path: Path) -> None:
    suites = [write_suite(tmp_path / "base", 1.0), write_suite(tmp_path / "zero", 2.0, judge="another")]
    with pytest.raises(ConfigError, match="rows zero and base were judged by different helpfulness models"):
        run_stage_table(config(*suites, baseline="base"), tmp_path)
    with pytest.raises(ConfigError, match="its suite has no helpfulness"):
        run_stage_table(config(write_suite(tmp_path / "none", 0.0, judge=None), baseline="none"), tmp_path)


def test_what_is_no_suite_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="suite"):
        run_stage_table(config(tmp_path), tmp_path)
    (tmp_path / "suite.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="suite"):
        run_stage_table(config(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rows=[{name: a, path: x}, {name: a, path: y}]", "two rows are named 'a'"),
        ("baseline=b", "'b' is not a row of the table: choose from a"),
        ("thresholds=[{metric: m, of: a}]", "give either at_least or at_most"),
        ("thresholds=[{metric: m, of: a, at_least: 1, at_most: 2}]", "give either at_least or at_most"),
        ("thresholds=[{metric: m, of: a, at_least: 1, times: a, above: a}]", "give times or above, not both"),
        ("thresholds=[{metric: m, of: a, at_least: 1, times: c}]", "'c' is not a row"),
        ("thresholds=[{metric: m, of: a, at_least: 3 * base}]", "at_least"),
    ],
)
def test_a_wrong_table_is_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("*", ".")) as raised:
        load_config(StageTableConfig, None, ["rows=[{name: a, path: x}]", override])
    assert "\n" not in str(raised.value)


def test_the_recipes_in_the_documentation_can_be_read(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    kinds = {"zero": "model", "helpful": "reward_model", "safe": "reward_model", "general": "data"}
    made = [f"{name}: {{work: file, path: x, holds: {kind}}}" for name, kind in kinds.items()]
    made += [f"suite-{name}: {{work: file, path: x, holds: evaluation}}" for name in ("base", "dev1")]
    lines = [*made, *"\n".join(blocks).splitlines()]
    (tmp_path / "recipe.yaml").write_text("stages:\n" + "\n".join(f"  {line}" for line in lines) + "\n", encoding="utf-8")
    pipeline = read_pipeline(tmp_path / "recipe.yaml")
    assert len(pipeline["table"].work.thresholds) == 5  # type: ignore[attr-defined]
    assert pipeline["suite-zero"].inputs["safety.task.path"] == "general"
