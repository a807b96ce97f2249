"""The step benchmarks run with our own trainer, and their arithmetic is right. No speed is asserted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import mismatch, scaling, step
from benchmarks.checkpoints import Shape, write_checkpoint
from benchmarks.peers import Contender
from benchmarks.results import Options

ONCE = Options(repeats=1, threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    write_checkpoint(Shape(hidden=32, layers=1, heads=2, kv_heads=1, head_dim=16, intermediate=32), folder)
    return folder


@pytest.fixture(scope="module")
def found(model: Path) -> dict[str, Any]:
    """One load on a random model, TRL not there."""
    load = step.Load(str(model), prompts=2, group=2, tokens=6, stop=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DUNWU_TRL_PYTHON", raising=False)
        return step.measure({"small": load}, [Contender("dunwu", "float32"), Contender("trl", "float32")], ONCE)


def test_a_step_generates_what_was_asked_and_trl_is_named(found: dict[str, Any]) -> None:
    (row,) = found["rows"]
    assert row["mean_length"] == 6
    assert 0 < row["train_share"]["dunwu float32"] < 1
    assert found["left_out"] == {"trl float32": "set DUNWU_TRL_PYTHON to the interpreter of an environment that has it"}


def test_tables_of_steps(found: dict[str, Any]) -> None:
    assert step.as_table(found).count("| small |") == 2
    assert scaling.as_table(found).count("| small |") == 1


def test_ratios_are_ours_by_theirs() -> None:
    answers = {"dunwu float32": [{"tokens": 100, "seconds": 1.0, "train": 0.25}], "trl float32": [{"tokens": 90, "seconds": 9.0}]}
    row = step.row("a", step.Load("m", prompts=5, group=2), answers, dict.fromkeys(answers))
    assert row["tokens_per_second"] == {"dunwu float32": 100, "trl float32": 10}
    assert row["train_share"] == {"dunwu float32": 0.25, "trl float32": None}
    assert "| a | 10 |  | 10 |" in step.as_table({"rows": [row]})


def test_prompts_are_distinct_and_whole() -> None:
    prompts = step.texts(8)
    assert len(set(prompts)) == 8
    assert all(text.endswith("Assistant:") for text in prompts)


@pytest.mark.slow
def test_mismatch_of_a_float32_engine_is_rounding(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROMPTS": 2, "GROUP": 2, "TOKENS": 6}.items():
        monkeypatch.setattr(mismatch, name, value)
    rows = {(row["engine"], row["trainer"]): row["mean"] for row in mismatch.measure(str(model), ONCE)["rows"]}
    assert len(rows) == 4
    assert rows["float32", "float32"] < 1e-5 < rows["float32", "bfloat16"]
