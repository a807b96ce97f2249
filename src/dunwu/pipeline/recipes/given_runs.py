"""Finished runs of `dunwu zero` in place of stages that would train the same again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.recipe_file import make_pipeline, pipeline_data
from dunwu.pipeline.run_models import model_of
from dunwu.run.identity import first_difference
from dunwu.run.step_manifest import folder_step

_MACHINE = {"device", "threads", "reward_workers", "reward_timeout", "report_to"}
_SEEN = {"evaluations", "evaluate_every", "evaluate_problems", "save_every", "keep_checkpoints", "sample_every", "dump_rollouts_every"}
FREE = _MACHINE | _SEEN
"""Keys that do not change what is trained."""


def with_runs(pipeline: Pipeline, runs: Mapping[str, str]) -> Pipeline:
    """The pipeline with the final checkpoint of each run in place of the stage of its name. Raises `ConfigError` if they differ."""
    if not runs:
        return pipeline
    data = pipeline_data(pipeline)
    for name, run in runs.items():
        data["stages"][name] = {"work": "file", "path": _checkpoint(pipeline[name], Path(run).expanduser()), "holds": "model"}
    return make_pipeline(data)


def _checkpoint(stage: Stage, run: Path) -> str:
    work, place = stage.work, f"runs.{stage.name} = {run}"
    if not isinstance(work, ZeroConfig) or "model" in stage.inputs:
        raise ConfigError(f"{place}: only runs of R1-Zero can be given, such as zero-0, and this stage is of the kind {stage.kind}")
    if not (run / "config.yaml").is_file():
        raise ConfigError(f"{place}: there is no run of dunwu zero (config.yaml is missing); check the path")
    found = load_config(ZeroConfig, run / "config.yaml", ())
    ours, theirs = (each.model_dump(mode="json", exclude=FREE) for each in (work, found))
    if different := first_difference(ours, theirs):
        key, needed, there = different
        remedy = f"set {stage.name}.{key}={there}, or leave the run out"
        raise ConfigError(f"{place}: {key} is {there} in the run and {needed} in the stage: {remedy}")
    checkpoint = model_of(str(run))
    if folder_step(Path(checkpoint)) != work.grpo.steps:
        raise ConfigError(f"{place}: it is not finished (the newest checkpoint is {Path(checkpoint).name} of {work.grpo.steps}): resume it")
    return checkpoint
