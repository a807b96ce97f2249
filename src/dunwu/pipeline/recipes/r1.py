"""DeepSeek-R1 as a graph of stages (arXiv 2501.12948, section 2.3; Nature 645:633-638, figure 2).

::

    base --> zero --> cold_start
    base, cold_start --> dev1 --> dev2 --> rejection_sampling
    rejection_sampling, general_data --> sft_data
    base, sft_data --> dev3
    dev3, pairs --> helpfulness        dev3, labelled --> safety
    dev3, prompts, problems, helpfulness, safety --> r1

The same suite evaluates every checkpoint, and the final table compares its metrics with thresholds set beforehand. The configurations of
the stages are in `R1Work`; the graph here is the same for the tiny world, the paper's values and any other model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dunwu.config.base import Config
from dunwu.config.data import Builder
from dunwu.config.data_replies import ColdStartConfig, RejectionConfig, ZeroOutputs
from dunwu.config.data_rows import MixingConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.rewards import ModelPartConfig
from dunwu.config.sft import SftConfig
from dunwu.config.suite import StageTableConfig, SuiteConfig, TableRow, Threshold
from dunwu.config.zero import ZeroConfig
from dunwu.pipeline.graph import Pipeline, Stage

CHECKPOINTS = ("zero", "dev1", "dev2", "dev3", "r1")
"""The paper's names of its checkpoints, in its order; also the names of their stages."""
FILLED = "(made by another stage)"
"""Placeholder in configurations for the artefact of another stage."""
PROBLEMS = "problems"
"""The stage that makes the general tasks with answers. An eval set of this name in `decontaminate` excludes its rows from other data."""
REASONING, GENERAL = "reasoning", "general"
"""The sources of the data mixture for dev3."""


@dataclass(frozen=True)
class R1Work:
    """The configuration of each stage. `r1_pipeline` overwrites the keys that refer to other stages."""

    zero: ZeroConfig
    cold_start: ColdStartConfig
    dev1: SftConfig
    dev2: ZeroConfig
    rejection_sampling: RejectionConfig
    general_data: Config
    """Conversations other than reasoning: a stage such as ``general``, ``clean`` or ``file`` that makes rows of ``messages``."""
    sft_data: MixingConfig
    """A mixture of the sources `REASONING` and `GENERAL`."""
    dev3: SftConfig
    prompts: Config
    """General prompts for RL and evaluation: rows of a chat task."""
    problems: Config
    """General tasks with answers, for evaluation: rows of ``problem`` and ``answer``."""
    pairs: Config
    labelled: Config
    helpfulness: RewardModelConfig
    safety: RewardModelConfig
    r1: ZeroConfig
    suite: SuiteConfig
    thresholds: tuple[Threshold, ...] = ()


def r1_pipeline(name: str, work: R1Work) -> Pipeline:
    """The graph. Raises `ConfigError` if ``work`` lacks a key that the graph must fill."""
    return Pipeline(name, (*_reasoning(work), *_data(work), *_alignment(work), *_measured(work)))


def _reasoning(work: R1Work) -> Iterator[Stage]:
    """The stages from the base to the second checkpoint."""
    yield Stage("zero", work.zero)
    generators = {f"sources.{name}.generator.model": "zero" for name, s in work.cold_start.sources.items() if isinstance(s, ZeroOutputs)}
    yield Stage("cold_start", work.cold_start, {**generators, **_kept_out(work.cold_start)})
    yield Stage("dev1", work.dev1, {"data": "cold_start"})
    yield Stage("dev2", work.dev2, {"model": "dev1"})
    yield Stage("rejection_sampling", work.rejection_sampling, {"generator.model": "dev2", **_kept_out(work.rejection_sampling)})


def _data(work: R1Work) -> Iterator[Stage]:
    """The data of the third checkpoint and of the last one."""
    yield Stage("general_data", work.general_data, _kept_out(work.general_data))
    sources = {f"sources.{REASONING}.data": "rejection_sampling", f"sources.{GENERAL}.data": "general_data"}
    yield Stage("sft_data", work.sft_data, {**sources, **_kept_out(work.sft_data)})
    yield Stage("prompts", work.prompts)
    yield Stage(PROBLEMS, work.problems)
    yield Stage("pairs", work.pairs)
    yield Stage("labelled", work.labelled)


def _alignment(work: R1Work) -> Iterator[Stage]:
    """The third checkpoint, which starts from the base again, reward models from it, and RL for all scenarios."""
    yield Stage("dev3", work.dev3, {"data": "sft_data"})
    yield Stage("helpfulness", work.helpfulness, {"model": "dev3", "data": "pairs"})
    yield Stage("safety", work.safety, {"model": "dev3", "data": "labelled"})
    yield Stage("r1", work.r1, {"model": "dev3", **_tasks(work.r1), **_reward_models(work.r1)})


def _kept_out(config: Config) -> Mapping[str, str]:
    """The eval set named `PROBLEMS`, which another stage makes."""
    sets = config.decontaminate if isinstance(config, Builder) else ()
    return {f"decontaminate.{i}.task.path": PROBLEMS for i, each in enumerate(sets) if each.name == PROBLEMS}


def _tasks(config: ZeroConfig) -> Mapping[str, str]:
    """Inputs of the tasks that are `FILLED`: general prompts for chat tasks, general tasks with answers for data sets."""
    filled = {f"tasks.{i}.task.path": each.task.kind for i, each in enumerate(config.tasks) if getattr(each.task, "path", None) == FILLED}
    return {key: "prompts" if kind == "chat" else PROBLEMS for key, kind in filled.items()}


def _reward_models(config: ZeroConfig) -> Mapping[str, str]:
    return {f"reward.{i}.model": part.kind for i, part in enumerate(config.reward) if isinstance(part, ModelPartConfig)}


def _measured(work: R1Work) -> Iterator[Stage]:
    """The suite of each checkpoint, and the table. Base and Zero are evaluated in Zero's template, as they were not trained on another."""
    rows = ("base", *CHECKPOINTS)
    inputs = _suite_inputs(work.suite)
    in_zeros_template = work.suite.model_copy(update={"template": work.zero.template})
    for row in rows:
        suite = in_zeros_template if row in ("base", "zero") else work.suite
        yield Stage(f"measured-{row}", suite, inputs if row == "base" else {"model": row, **inputs})
    table = StageTableConfig(rows=tuple(TableRow(name=row, path="") for row in rows), baseline="dev3", thresholds=work.thresholds)
    yield Stage("table", table, {f"rows.{i}.path": f"measured-{row}" for i, row in enumerate(rows)})


def _suite_inputs(suite: SuiteConfig) -> dict[str, str]:
    inputs = {f"general.{name}.task.path": PROBLEMS for name in suite.general}
    if suite.helpfulness is not None:
        inputs |= {"helpfulness.task.path": "prompts", "helpfulness.model": "helpfulness"}
    if suite.safety is not None:
        inputs |= {"safety.task.path": "prompts"} | ({"safety.model": "safety"} if suite.safety.model else {})
    return inputs
