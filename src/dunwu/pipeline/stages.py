"""The kinds of work a stage can do. A further kind is a name in `KINDS` and a case in `describe`. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dunwu.config.base import Config
from dunwu.config.pipeline import ArtefactKind, EvaluateConfig, FileConfig, OwnConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.pipeline.cost import Usage, count_parameters, evaluation_tokens, metric_sum
from dunwu.pipeline.outside import model_folder
from dunwu.trainers.checkpoint import LATEST

KINDS: Mapping[str, type[Config]] = MappingProxyType(
    {
        "file": FileConfig,
        "own": OwnConfig,
        "evaluate": EvaluateConfig,
        "zero": ZeroConfig,
        "sft": SftConfig,
        "reward_model": RewardModelConfig,
    }
)
"""What `work` means in a recipe."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the pipeline must know of a piece of work.

    ``function`` is named as ``module:function``, so that it is imported when its turn comes. Where ``resumes``, it is called as
    ``function(config, folder, True)`` and goes on by itself with what it finds in its folder; else as ``function(config, folder)``
    with an empty folder that is kept only when the function returns. Without a function the artefact is there already.
    """

    makes: ArtefactKind
    function: str = ""
    resumes: bool = False
    takes: Mapping[str, ArtefactKind | None] = field(default_factory=dict)
    """Keys of the configuration that another stage's artefact may fill (``*``: any place of a list or name), and the kind it must be."""
    payload: Callable[[Path], Path] = lambda folder: folder
    """From the folder the function was given to what others take."""
    usage: Callable[[Path, Path], Usage] = lambda folder, payload: Usage()
    """From the folder and the payload to the tokens it took."""
    steps: int | None = None
    """How many rows its ``metrics.jsonl`` will have, for an ETA."""


def describe(work: Config) -> Work:
    """What the pipeline must know of ``work``, by the type of its configuration."""
    match work:
        case ZeroConfig():
            return Work(
                makes="model",
                function="dunwu.pipeline.zero:run_zero",
                resumes=True,
                takes={"model": "model", "tasks.*.task.path": "data", "evaluations.*.task.path": "data"},
                payload=last_checkpoint,
                usage=lambda run, model: _zero_usage(run, model, work.grpo.inner_epochs),
                steps=work.grpo.steps,
            )
        case SftConfig():
            return Work(
                makes="model",
                function="dunwu.pipeline.sft:run_sft",
                resumes=True,
                takes={"model": "model", "data": "data", "validation": "data"},
                payload=last_checkpoint,
                usage=_trained,
            )
        case RewardModelConfig():
            return Work(
                makes="reward_model",
                function="dunwu.pipeline.reward_model:run_reward_model",
                resumes=True,
                takes={"model": "model", "data": "data"},
                payload=last_checkpoint,
                usage=_trained,
            )
        case EvaluateConfig():
            return Work(
                makes="evaluation",
                function="dunwu.pipeline.measure:run_measure",
                takes={"model": "model", "evaluations.*.task.path": "data"},
                usage=lambda folder, _: Usage(_model_size(work.model), generated_tokens=evaluation_tokens(folder.glob("*.parquet"))),
            )
        case OwnConfig():
            return Work(makes=work.makes, function="dunwu.pipeline.own:run_own", takes={"files.*": None})
        case FileConfig():
            return Work(makes=work.holds, payload=lambda _: Path(work.path).expanduser().resolve())
    raise AssertionError(f"{type(work).__name__} is no work of a stage")


def kind_of(work: Config) -> str:
    """The name of the work's kind in `KINDS`."""
    return next(name for name, model in KINDS.items() if model is type(work))


def last_checkpoint(run: Path) -> Path:
    """The newest checkpoint of a finished run directory."""
    root = run / "checkpoints"
    return root / (root / LATEST).read_text(encoding="utf-8").strip()


def _zero_usage(run: Path, model: Path, epochs: int) -> Usage:
    tokens = metric_sum(run, "num_tokens")
    return Usage(count_parameters(model), tokens * epochs, tokens + evaluation_tokens((run / "evaluations").glob("*.parquet")))


def _trained(run: Path, model: Path) -> Usage:
    return Usage(count_parameters(model), metric_sum(run, "num_tokens"))


def _model_size(model: str) -> int:
    folder = model_folder(model)
    return 0 if folder is None else count_parameters(folder)
