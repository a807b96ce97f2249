"""The kinds of work a stage can do. A further kind is a name in `KINDS` and a case in `describe`. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from dunwu.config.base import Config
from dunwu.config.compare import ComparisonConfig
from dunwu.config.data import Builder, LocalGenerator
from dunwu.config.data_replies import ColdStartConfig, PreferencesConfig, RejectionConfig
from dunwu.config.data_rows import CleaningConfig, DifficultyConfig, GeneralConfig, MixingConfig
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.merge import MergeConfig
from dunwu.config.pipeline import ArtefactKind, EvaluateConfig, FileConfig, OwnConfig
from dunwu.config.pretrain import NewModelConfig, PretrainConfig
from dunwu.config.references import parts
from dunwu.config.reproduce import ReproductionConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.suite import StageTableConfig, SuiteConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.io.card import read_card
from dunwu.errors import RunError
from dunwu.evaluation.store import evaluation_tokens
from dunwu.jobs.outside import model_folder
from dunwu.run.checkpoint import LATEST
from dunwu.run.directory import read_manifest, read_metrics
from dunwu.run.usage import Usage, count_parameters, row_sum, training_usage

KINDS: Mapping[str, type[Config]] = MappingProxyType(
    {
        "file": FileConfig,
        "own": OwnConfig,
        "evaluate": EvaluateConfig,
        "suite": SuiteConfig,
        "stage_table": StageTableConfig,
        "comparison": ComparisonConfig,
        "reproduction": ReproductionConfig,
        "new_model": NewModelConfig,
        "merge": MergeConfig,
        "pretrain": PretrainConfig,
        "zero": ZeroConfig,
        "sft": SftConfig,
        "distillation": DistillationConfig,
        "reward_model": RewardModelConfig,
        "cold_start": ColdStartConfig,
        "rejection_sampling": RejectionConfig,
        "preferences": PreferencesConfig,
        "general": GeneralConfig,
        "difficulty": DifficultyConfig,
        "clean": CleaningConfig,
        "mix": MixingConfig,
    }
)
"""The values of `work` in a recipe."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the pipeline must know about a piece of work.

    ``function`` is named as ``module:function``, and imported when the stage runs. If ``resumes``, it is called as
    ``function(config, folder, True, reporter=...)`` and resumes from what it finds in its folder; else as
    ``function(config, folder, reporter=...)`` with an empty folder that is kept only when the function returns. Without a function the
    artefact is there already.
    """

    makes: ArtefactKind
    function: str = ""
    resumes: bool = False
    takes: Mapping[str, ArtefactKind | None] = field(default_factory=dict)
    """Configuration keys that another stage's artefact may fill (``*``: any list index or name), and the kind it must have."""
    payload: Callable[[Path], Path] = lambda folder: folder
    """Maps the function's folder to what other stages use."""
    usage: Callable[[Path, Path], Usage] = lambda folder, payload: Usage()
    """Maps the folder and the payload to the tokens used."""
    steps: int | None = None
    """Last step of its ``metrics.jsonl``, for an ETA; ``None``: the run writes ``steps`` into its manifest once it has read its data."""


def describe(work: Config) -> Work:
    """What the pipeline must know of ``work``, by the type of its configuration."""
    match work:
        case ZeroConfig():
            return Work(
                makes="model",
                function="dunwu.jobs.zero:run_zero",
                resumes=True,
                takes={
                    "model": "model",
                    **dict.fromkeys(("tasks.*.task.path", "evaluations.*.task.path"), "data"),
                    **_BUDGET,
                    # The teachers come before the next, whose * covers dots too.
                    **dict.fromkeys(("dialogue.teacher.model", "reward.*.teacher.model"), "model"),
                    "reward.*.model": "reward_model",
                },
                payload=last_checkpoint,
                usage=lambda run, model: _zero_usage(run, model, work),
                steps=None if work.budget else work.grpo.steps,
            )
        case NewModelConfig():
            return Work("model", "dunwu.jobs.new_model:run_new_model", takes={"tokenizer": "model"})
        case MergeConfig():
            return Work("model", "dunwu.jobs.merge_model:run_merge", takes={"base": "model", "models.*": "model"})
        case PretrainConfig():
            return _trainer("dunwu.trainers.pretrain:pretrain", {"tokenizer": "model"})
        case DistillationConfig():
            taught: Mapping[str, ArtefactKind | None] = {"model": "model", "teacher": "model", **_BUDGET, **_ROWS}
            return _trainer("dunwu.jobs.distillation:run_distillation", taught, lambda run, model: _distillation_usage(run, model, work))
        case SftConfig():
            return _trainer("dunwu.jobs.sft:run_sft", {"model": "model", **_BUDGET, **_ROWS})
        case RewardModelConfig():
            return _trainer("dunwu.jobs.reward_model:run_reward_model", {"model": "model", "data": "data"}, makes="reward_model")
        case EvaluateConfig():
            return Work(
                makes="evaluation",
                function="dunwu.jobs.measure:run_measure",
                takes={"model": "model", "evaluations.*.task.path": "data"},
                usage=lambda folder, _: Usage(_model_size(work.model), generated_tokens=evaluation_tokens(folder.glob("*.parquet"))),
            )
        case SuiteConfig():
            return Work(
                makes="evaluation",
                function="dunwu.jobs.suite:run_suite",
                resumes=True,
                takes={
                    "model": "model",
                    **dict.fromkeys((f"{part}.task.path" for part in ("reasoning.*", "general.*", "helpfulness", "safety")), "data"),
                    **dict.fromkeys(("helpfulness.model", "safety.model"), "reward_model"),
                },
                payload=lambda run: run / "suite",
                usage=lambda _, suite: Usage(_model_size(work.model), generated_tokens=_suite_tokens(suite)),
            )
        case StageTableConfig():
            return Work(makes="evaluation", function="dunwu.jobs.stage_table:run_stage_table", takes={"rows.*.path": "evaluation"})
        case ComparisonConfig():
            compared: Mapping[str, ArtefactKind | None] = {
                "references.*": "evaluation",
                "rows.*.runs.*.suite": "evaluation",
                "rows.*.runs.*.student.*": "model",
                "rows.*.runs.*.teacher.*": None,
            }
            return Work(makes="evaluation", function="dunwu.jobs.comparison:run_comparison", takes=compared)
        case ReproductionConfig():
            return Work("evaluation", "dunwu.jobs.reproduction:run_reproduction", takes={"measured.*": "evaluation"})
        case ColdStartConfig():
            return _builder(
                "run_cold_start",
                work,
                {
                    "sources.*.generator.model": "model",
                    "sources.*.rewriter.generator.model": "model",
                    "sources.*.tasks.*.task.path": "data",
                    "sources.*.data": "data",
                },
            )
        case RejectionConfig():
            return _builder(
                "run_rejection", work, {"generator.model": "model", "judge.generator.model": "model", "tasks.*.task.path": "data"}
            )
        case PreferencesConfig():
            takes: Mapping[str, ArtefactKind] = {"generator.model": "model", "judge.generator.model": "model", "task.path": "data"}
            return _builder("run_preferences", work, {**takes, "data": "data"})
        case GeneralConfig():
            return _builder("run_general", work, {"sources.*.data": "data", "teacher.generator.model": "model"})
        case DifficultyConfig():
            return _builder("run_difficulty", work, {"generator.model": "model", "task.path": "data"})
        case CleaningConfig():
            return Work("data", "dunwu.jobs.building:run_cleaning", takes={"data": "data", **_EVERY_BUILDER})
        case MixingConfig():
            return Work("data", "dunwu.jobs.building:run_mixing", takes={"sources.*.data": "data", **_EVERY_BUILDER})
        case OwnConfig():
            return Work(makes=work.makes, function="dunwu.jobs.own:run_own", takes={"files.*": None})
        case FileConfig():
            return Work(makes=work.holds, payload=lambda _: Path(work.path).expanduser().resolve())
    raise AssertionError(f"{type(work).__name__} is not the work of a stage")


_BUDGET: Mapping[str, ArtefactKind | None] = MappingProxyType({"budget": "model", "budget_with.*": None})
_ROWS: Mapping[str, ArtefactKind] = MappingProxyType({"data": "data", "validation": "data"})
_EVERY_BUILDER: Mapping[str, ArtefactKind] = MappingProxyType({"model": "model", "decontaminate.*.task.path": "data"})
"""Inputs of all data builders: a tokenizer, and the evaluation sets."""


def _trainer(
    function: str,
    takes: Mapping[str, ArtefactKind | None],
    usage: Callable[[Path, Path], Usage] | None = None,
    makes: ArtefactKind = "model",
) -> Work:
    """A trainer with checkpoints."""
    return Work(makes, function, resumes=True, takes=takes, payload=last_checkpoint, usage=usage or _trained)


def _builder(function: str, work: Builder, takes: Mapping[str, ArtefactKind]) -> Work:
    """A builder that uses models."""
    return Work(
        makes="data",
        function=f"dunwu.jobs.building:{function}",
        resumes=True,
        takes={**takes, **_EVERY_BUILDER},
        payload=lambda run: run / "data",
        usage=lambda _, data: Usage(
            max(map(_model_size, _local_writers(work)), default=0),
            generated_tokens=read_card(data)["facts"].get("generated_tokens", 0),
        ),
    )


def _local_writers(work: Config) -> Iterator[str]:
    """The local models that generate beside the work's own model."""
    yield from (part.model for _, part in parts(work) if isinstance(part, LocalGenerator))


def kind_of(work: Config) -> str:
    """The name of the work's kind in `KINDS`."""
    return next(name for name, model in KINDS.items() if model is type(work))


def last_checkpoint(run: Path) -> Path:
    """The newest checkpoint of a finished run directory. Raises `RunError` if the pointer to it is missing."""
    pointer = run / "checkpoints" / LATEST
    try:
        return pointer.with_name(pointer.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise RunError(f"{pointer} is missing or corrupt: write the name of the newest checkpoint into it") from error


def _zero_usage(run: Path, model: Path, work: ZeroConfig) -> Usage:
    used = training_usage("zero", work.model_dump(), count_parameters(model), read_metrics(run))
    measured = evaluation_tokens((run / "evaluations").glob("*.parquet"))
    read = sum(row_sum(read_metrics(run), name) for name in ("teacher_tokens", "teacher_generated_tokens"))
    teacher = max(map(_model_size, _local_writers(work)), default=0)
    return replace(used, generated_tokens=used.generated_tokens + measured, teacher_parameters=teacher, teacher_tokens=read)


def _trained(run: Path, model: Path) -> Usage:
    return training_usage("sft", {}, count_parameters(model), read_metrics(run))


def _distillation_usage(run: Path, model: Path, work: DistillationConfig) -> Usage:
    """A teacher that is stored has read all rows once, whether in this run or in another that shares them."""
    stored = getattr(work.method, "top_k", 0)
    sets = read_manifest(run)["data"].values() if stored else ()
    read = sum(each["tokens"] for each in sets) if stored else row_sum(read_metrics(run), "teacher_tokens")
    return replace(_trained(run, model), teacher_parameters=_model_size(work.teacher), teacher_tokens=read)


def _suite_tokens(suite: Path) -> int:
    """Tokens of all completions, by ``suite.json``."""
    sets: dict[str, dict[str, int]] = json.loads((suite / "suite.json").read_text(encoding="utf-8"))["sets"]
    return sum(facts["tokens"] for facts in sets.values())


def _model_size(model: str) -> int:
    folder = model_folder(model)
    return 0 if folder is None else count_parameters(folder)
