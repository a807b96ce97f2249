"""The graph of R1: what starts from what, what reads what, and that its thresholds are of things that are measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dunwu.cli.main import main
from dunwu.config.rewards import ModelPartConfig
from dunwu.config.zero import ZeroConfig
from dunwu.evaluation.stage_table import read_table, tables_in
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline
from dunwu.pipeline.recipes.r1 import CHECKPOINTS
from dunwu.pipeline.recipes.r1_tiny import THRESHOLDS, tiny_r1


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return tiny_r1(seed=3)


def test_what_starts_from_what(pipeline: Pipeline) -> None:
    """The third checkpoint starts from the base again, not from the second (arXiv 2501.12948, section 2.3.3)."""
    starts = {name: pipeline[name].inputs.get("model", "base") for name in (*CHECKPOINTS, "helpfulness", "safety")}
    assert starts == {"zero": "base", "dev1": "base", "dev2": "dev1", "dev3": "base", "r1": "dev3", "helpfulness": "dev3", "safety": "dev3"}
    assert {pipeline[name].work.model for name, start in starts.items() if start == "base"} == {"tiny"}  # type: ignore[attr-defined]
    assert pipeline["cold_start"].inputs["sources.zero.generator.model"] == "zero"
    assert pipeline["rejection_sampling"].inputs["generator.model"] == "dev2"


def test_what_is_measured_on_is_kept_out_of_what_is_learned_from(pipeline: Pipeline) -> None:
    for name in ("cold_start", "rejection_sampling", "general_data", "sft_data"):
        assert pipeline[name].inputs["decontaminate.1.task.path"] == "problems"


def test_reasoning_gets_no_neural_reward_and_the_models_count_late(pipeline: Pipeline) -> None:
    last = pipeline["r1"].work
    assert isinstance(last, ZeroConfig)
    models = [part for part in last.reward if isinstance(part, ModelPartConfig)]
    assert [part.kind for part in models] == ["helpfulness", "safety"]
    assert all(part.after > 0 for part in models)
    reasoning = {"countdown"}
    assert not any(reasoning & set(part.tasks) for part in models)
    assert {pipeline["r1"].inputs[f"reward.{place}.model"] for place in (4, 5)} == {"helpfulness", "safety"}
    assert last.sampling.temperature == 0.7


def test_seed_and_base_reach_every_stage() -> None:
    found = tiny_r1(model="models/mine", seed=3)
    for stage in found.stages:
        assert getattr(stage.work, "seed", 3) == 3
        if hasattr(stage.work, "model") and "model" not in stage.inputs:
            assert stage.work.model == "models/mine"


def test_as_yaml_it_is_the_same(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "r1.yaml").write_text(dump_pipeline(pipeline), encoding="utf-8")
    assert read_pipeline(tmp_path / "r1.yaml") == pipeline


def test_every_suite_is_the_same_but_for_the_model(pipeline: Pipeline) -> None:
    suites = [pipeline[f"measured-{row}"].work.model_dump(exclude={"model"}) for row in ("base", *CHECKPOINTS)]
    assert all(suite == suites[0] for suite in suites)


@pytest.mark.slow
def test_all_stages_and_what_they_leave(few_steps: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["r1", "--out", str(run), *few_steps]) == 0
    table = read_table(tables_in(run)[0])
    assert table.rows == ("base", *CHECKPOINTS)
    assert len(table.findings()) == len(THRESHOLDS)
    assert not [finding for finding in table.findings() if finding.outcome == "not measured"]
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in run.glob("stages/*/*/**/card.json")]
    assert len(cards) == 8
    assert all(card["tokens"]["rows"] > 0 for card in cards)
    final = main(["explain", str(next(run.glob("stages/r1/*/run/checkpoints/step-*")))])
    said = capfd.readouterr().out
    assert final == 0
    assert all(name in said for name in ("helpfulness", "dev3", "sft_data", "rejection_sampling", "dev2", "cold_start", "zero"))
