"""The model that a run directory stands for, and how its run measured it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dunwu.config.base import Config, merge
from dunwu.config.load import read_mapping
from dunwu.config.references import references
from dunwu.errors import RunError
from dunwu.models.bundled import run_above
from dunwu.pipeline.artefacts import RECIPE, WORK
from dunwu.run.checkpoint import newest_valid
from dunwu.run.directory import MANIFEST
from dunwu.run.reporter import QUIET, Reporter
from dunwu.text.answer_forms import KEY

AnyConfig = TypeVar("AnyConfig", bound=Config)
MODEL = "model"
"""In a pre-training run, the folder of its result."""


def model_of(name: str, reporter: Reporter = QUIET) -> str:
    """Of a run directory the newest valid checkpoint, of a pipeline the final model; anything else that may name a model unchanged.

    Raises ``RunError`` if there is none yet.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file() or not folder.is_dir():
        return name
    if (folder / RECIPE).is_file():
        return str(_final_model(folder))
    if (folder / WORK / MANIFEST).is_file():  # the folder of a stage
        folder = folder / WORK
    if (folder / MODEL / "config.json").is_file():
        return str(folder / MODEL)
    if not (folder / MANIFEST).is_file():
        return name
    found = newest_valid(folder / "checkpoints", lambda step, reason: reporter.warn(f"{step.name} is skipped: {reason}"))
    if found is None:
        raise RunError(f"{folder} has no valid checkpoint yet: wait for the first, or resume the run")
    return str(found)


def with_final_models(config: AnyConfig) -> AnyConfig:
    """The configuration, in which a model that is the run of a pipeline has become its final model. Raises ``RunError`` as `model_of`."""
    for key, name, kind in references(config):
        if kind == "model" and (Path(name).expanduser() / RECIPE).is_file():
            config = _replaced(config, key.split("."), model_of(name))
    return config


def _replaced(value: Any, key: Sequence[str], new: str) -> Any:
    """``value`` with ``new`` at a dotted key."""
    if not key:
        return new
    name, *rest = key
    if isinstance(value, Config):
        return value.model_copy(update={name: _replaced(getattr(value, name), rest, new)})
    if isinstance(value, Mapping):
        return {**value, name: _replaced(value[name], rest, new)}
    place = int(name)
    return (*value[:place], _replaced(value[place], rest, new), *value[place + 1 :])


def _final_model(run: Path) -> Path:
    from dunwu.pipeline.recipe_file import read_pipeline
    from dunwu.pipeline.status import read_status

    makers = [stage.name for stage in read_pipeline(run / RECIPE).stages if stage.described.makes == "model" and stage.described.function]
    done = {stage.name: Path(stage.path) for stage in read_status(run).stages if stage.state == "done" and stage.path}
    if not makers:
        raise RunError(f"{run} is a pipeline that makes no model: give a model or a checkpoint")
    if makers[-1] not in done:
        there = ", ".join(f"{name}: {done[name]}" for name in makers if name in done) or "none yet"
        raise RunError(
            f"{run}: stage {makers[-1]}, which makes the final model, is not done: resume the pipeline or give a model ({there})"
        )
    return done[makers[-1]]


def own_evaluation(model: str, task: Any = None) -> dict[str, Any]:
    """The first evaluation of the run that a model is from, as data: its task, split, numbers, sampling and form of answers.

    With another ``task`` only the form is the run's. Empty without a run or task.
    """
    run = run_above(Path(model)) if Path(model).is_dir() else None
    config = {} if run is None else read_mapping(run / "config.yaml")
    evaluations, tasks = config.get("evaluations") or [], config.get("tasks") or []
    form = {KEY: config[KEY]} if KEY in config else {}
    if task is not None:
        return {"task": task, **form}
    if evaluations:
        return merge({}, evaluations[0])
    return {"task": tasks[0]["task"], "sampling": config["sampling"], **form} if tasks else {}
