"""The graph of the claims: what is trained for which, what is shared, and how the runs differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.config.overrides import parse_overrides
from dunwu.config.reproduce import ReproduceConfig
from dunwu.config.suite import SuiteConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.evaluation.claims import TRIALS
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.recipe_file import dump_pipeline, read_pipeline
from dunwu.pipeline.recipes.r1_tiny import tiny_r1
from dunwu.pipeline.recipes.reproduce import ARMS, reproduce_pipeline
from dunwu.pipeline.recipes.reproduce_time import seconds


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
