"""The graph of the claims: what is trained for which, what is shared, and how the runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import dump_config
from dunwu.config.overrides import parse_overrides
from dunwu.config.pipeline import FileConfig
from dunwu.config.pretrain import ModelShape
from dunwu.config.reproduce import ReproduceConfig
from dunwu.config.suite import SuiteConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.evaluation.claims import TRIALS
from dunwu.models.loading import save_model
from dunwu.models.new import new_model
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline
from dunwu.pipeline.recipes.r1_tiny import tiny_r1
from dunwu.pipeline.recipes.reproduce import ARMS, reproduce_pipeline
from dunwu.pipeline.recipes.reproduce_time import seconds
from dunwu.run.step_manifest import step_folder, write_step_manifest


def graph_of(*claims: str, seeds: int = 2, quick: bool = False, overrides: tuple[str, ...] = ()) -> Pipeline:
    config = ReproduceConfig.model_validate({"claims": claims or None, "seeds": seeds, "seed": 5})
    return reproduce_pipeline(config, quick, parse_overrides(overrides))


@pytest.fixture(scope="module")
def whole() -> Pipeline:
    return graph_of()


def zero(graph: Pipeline, name: str) -> ZeroConfig:
    work = graph[name].work
    assert isinstance(work, ZeroConfig)
    return work


def test_what_claims_share_is_trained_once() -> None:
    four = graph_of("lift", "majority", "thinking", "reflection")
    measured = {"measured-base", "measured-zero-5", "measured-zero-6"}
    assert {stage.name for stage in four.stages} == {"zero-5", "zero-6", *measured, "reproduction"}
    assert {stage.name for stage in graph_of("process").stages} == {"reproduction"}
    alone = {stage.name for stage in graph_of("distillation").stages}
    assert "zero-5" in alone
    assert not {"zero-6", "measured-zero-5"} & alone


def test_the_runs_differ_in_what_is_tried_alone(whole: Pipeline, tmp_path: Path) -> None:
    recipe = tiny_r1("tiny", 6)["zero"].work
    assert zero(whole, "zero-6").model_copy(update={"evaluations": ()}) == recipe.model_copy(update={"evaluations": ()})
    plain = zero(whole, "zero-6").model_dump()
    changed = {arm: {key for key, value in zero(whole, f"{arm}-6").model_dump().items() if value != plain[key]} for arm in ARMS}
    assert changed == {arm: {change.partition("=")[0].partition(".")[0] for change in changes} for arm, changes in ARMS.items()}
    narrow, wide = (zero(whole, f"clip-{name}-6").grpo for name in ("narrow", "wide"))
    assert narrow.minibatches == wide.minibatches == 4  # with one update a step nothing would be clipped
    assert (narrow.clip_low, narrow.clip_high, wide.clip_low, wide.clip_high) == (0.2, 0.2, 10.0, 10.0)
    assert {zero(whole, f"{arm}-5").grpo.prompts_per_step * zero(whole, f"{arm}-5").grpo.group_size for arm in ARMS} == {512}
    (tmp_path / "graph.yaml").write_text(dump_pipeline(whole), encoding="utf-8")
    assert read_pipeline(tmp_path / "graph.yaml") == whole


def test_r1_begins_with_the_same_zero_and_all_seeds_have_the_same_problems(whole: Pipeline) -> None:
    assert "zero-6" in whole["cold_start-6"].inputs.values()
    assert whole["r1-6"].inputs["model"] == "dev3-6"
    suites = [whole[f"suite-{row}-{seed}"] for row in ("zero", "r1") for seed in (5, 6)]
    assert all(stage.inputs["general.tasks.task.path"] == "problems" for stage in suites)
    for stage in suites:
        assert isinstance(stage.work, SuiteConfig)
        assert (stage.work.helpfulness, stage.work.safety) == (None, None)


def test_text_and_rl_have_one_teacher_and_equal_compute(whole: Pipeline) -> None:
    assert whole["teacher-data"].inputs["generator.model"] == "zero-5"
    assert whole["rl-6"].inputs["budget"] == "text-6"
    assert whole["text-6"].inputs["data"] == "teacher-data"
    assert whole["measured-rl-5"].work.model_copy(update={"model": ""}) == whole["measured-text-6"].work.model_copy(update={"model": ""})  # type: ignore[attr-defined]


def test_the_table_reads_all_that_the_trials_need(whole: Pipeline) -> None:
    needed = {name for trial in TRIALS for side in trial.sides for name in side.names((5, 6))}
    assert set(whole["reproduction"].inputs) == {f"measured.{name}" for name in needed}


def test_an_override_without_a_seed_is_for_all() -> None:
    graph = graph_of("lift", overrides=("zero.grpo.steps=7", "zero-6.grpo.steps=8", "measured-base.evaluations=[{task: game24}]"))
    assert (zero(graph, "zero-5").grpo.steps, zero(graph, "zero-6").grpo.steps) == (7, 8)
    with pytest.raises(ConfigError, match="zeros"):
        graph_of("lift", overrides=("zeros.grpo.steps=7",))


def test_quick_is_at_most_90_minutes() -> None:
    """By the rates of earlier runs."""
    quick, whole = (sum(seconds(stage.work) for stage in graph_of(seeds=3, quick=quick).stages) for quick in (True, False))
    assert quick < 90 * 60 < whole


def write_run(folder: Path, steps: int, tokenizer: Any) -> Path:
    """A checkpoint of a small model, and the configuration of the quick Zero of seed 5, evaluated in another way."""
    checkpoint = folder / "checkpoints" / step_folder(steps)
    shape = ModelShape(hidden=16, layers=1, heads=2, kv_heads=1, intermediate=32, max_positions=64)
    save_model(new_model(shape, tokenizer, 0), tokenizer, checkpoint)
    write_step_manifest(checkpoint, steps, {})
    work = zero(graph_of("lift", seeds=1, quick=True), "zero-5")
    (folder / "config.yaml").write_text(dump_config(work.model_copy(update={"evaluate_every": 5, "threads": 1})), encoding="utf-8")
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    return folder


def given(run: Path, **more: Any) -> Pipeline:
    return reproduce_pipeline(ReproduceConfig(claims=("lift",), seeds=1, seed=5, runs={"zero-5": str(run), **more}), quick=True)


def test_a_finished_run_takes_the_place_of_a_stage(world_tokenizer: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 60, world_tokenizer)
    graph = given(run)
    assert graph["zero-5"].work == FileConfig(path=str(run / "checkpoints" / step_folder(60)), holds="model")
    assert graph["measured-zero-5"].work == graph_of("lift", seeds=1, quick=True)["measured-zero-5"].work
    config = run / "config.yaml"
    for old, new, said in (("group_size: 8", "group_size: 4", "grpo.group_size=4"), ("seed: 5\nbudget", "seed: 6\nbudget", "seed=6")):
        text = config.read_text(encoding="utf-8")
        assert old in text
        config.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(ConfigError, match=f"zero-5.{said}"):
            given(run)
        config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="resume"):
        given(write_run(tmp_path / "half", 40, world_tokenizer))
    with pytest.raises(ConfigError, match=r"nowhere.*config\.yaml"):
        given(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"measured-zero-5.*R1-Zero"):
        given(run, **{"measured-zero-5": str(run)})
