"""The stage of the claims: what it writes, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.config.load import validate
from dunwu.config.reproduce import ReproductionConfig
from dunwu.errors import ConfigError
from dunwu.evaluation.reproduction import REPRODUCTION_JSON, REPRODUCTION_MD
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.store import write_evaluation
from dunwu.jobs.reproduction import run_reproduction
from tests.recorder import Recorder


def evaluation(folder: Path, right: float) -> str:
    folder.mkdir()
    rows = tuple(EvaluationRow(str(n), "?", "en", None, None, 0, "", 1, 1, "stop", right, "wrong", 0, None, None) for n in range(3))
    write_evaluation(folder / "x.parquet", EvaluationResult("x", 1, rows))
    return str(folder)


def test_the_table_is_written(tmp_path: Path) -> None:
    measured = {"base": evaluation(tmp_path / "b", 0.0), **{f"zero-{seed}": evaluation(tmp_path / f"z{seed}", 1.0) for seed in (3, 4)}}
    config = validate(ReproductionConfig, {"claims": ["lift", "process"], "seeds": [3, 4], "measured": measured})
    (tmp_path / "out").mkdir()
    run_reproduction(config, tmp_path / "out", Recorder())
    rows = json.loads((tmp_path / "out" / REPRODUCTION_JSON).read_text(encoding="utf-8"))["rows"]
    assert [(row["claim"], row["verdict"]) for row in rows] == [("lift", "holds"), ("process", "not built")]
    assert rows[0]["runs"] == ["zero-3", "zero-4", "base"]
    assert (tmp_path / "out" / REPRODUCTION_MD).read_text(encoding="utf-8").count("\n|") == 4


def test_a_model_that_is_not_measured(tmp_path: Path) -> None:
    config = validate(ReproductionConfig, {"claims": ["lift"], "seeds": [0], "measured": {"base": str(tmp_path)}})
    with pytest.raises(ConfigError, match="zero-0"):
        run_reproduction(config, tmp_path, Recorder())
