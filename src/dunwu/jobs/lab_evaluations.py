"""The evaluations that experiments start from: those of a run of `dunwu zero`, and those of any model by `dunwu eval --out`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dunwu.config.blocks import EngineConfig
from dunwu.config.load import read_mapping, validate
from dunwu.config.template import Template
from dunwu.config.zero import EvalConfig, PromptedEvalConfig, ZeroConfig
from dunwu.errors import DataError, RunError
from dunwu.evaluation.store import ALONE, WRITTEN, is_alone, phase_file
from dunwu.jobs.evaluate import MAX_PROMPT_TOKENS
from dunwu.jobs.measure import set_names
from dunwu.models.hub_ids import check_model
from dunwu.run.checkpoint import newest_valid
from dunwu.run.reporter import Reporter

_STEP = re.compile(r"step-(\d{5,})")


@dataclass(frozen=True)
class Measured:
    """An evaluation on disk, and all that it takes to let the model go on as it was evaluated."""

    file: Path
    model: str
    held_out: EvalConfig
    template: Template
    engine: EngineConfig = field(default_factory=EngineConfig)
    max_prompt_tokens: int = MAX_PROMPT_TOKENS
    reward_workers: int = 1
    reward_timeout: float = 5.0
    all_rows: bool = False


def measured(folder: Path, phase: str, eval_set: str | None, reporter: Reporter) -> Measured:
    """The evaluation of a phase (before, after, or a step whose checkpoint is kept), by default of the run's first eval set; in a folder of
    `dunwu eval --out` there is one phase, `evaluation`.

    Raises ``UserError`` if the evaluation or its model is not there.
    """
    if is_alone(folder):
        return _alone(folder, phase, eval_set)
    config = _config(folder)
    name, held_out = _eval_set(folder, config, eval_set)
    file, model = phase_file(folder, phase, name), _model(folder, phase, config, reporter)
    if not file.exists():
        there = ", ".join(sorted(each.stem.removesuffix(f"-{name}") for each in file.parent.glob(f"*-{name}.parquet")))
        raise DataError(f"{file} does not exist: choose from {there or 'nothing: the run has measured nothing yet'}")
    answering = config.template, config.engine, config.max_prompt_tokens, config.reward_workers, config.reward_timeout
    return Measured(file, model, held_out, *answering)


def phases_of(folder: Path, eval_set: str | None = None) -> tuple[str, ...]:
    """Before and after training, as far as the run has measured them; `measured` refuses the one that is given for want of any."""
    if is_alone(folder):
        return (ALONE,)
    name, _ = _eval_set(folder, _config(folder), eval_set)
    return tuple(phase for phase in ("before", "after") if phase_file(folder, phase, name).exists()) or ("after",)


def _alone(folder: Path, phase: str, eval_set: str | None) -> Measured:
    """How `dunwu eval` made the folder, from its summary."""
    path = folder / WRITTEN[1]
    if phase != ALONE:
        raise RunError(f"{folder} has one evaluation, without the phase {phase!r}: leave out --phases, or give a run directory")
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model, keys = str(summary["model"]), {**summary["config"], "template": summary["template"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} does not say how the model was evaluated: give a folder that `dunwu eval MODEL --out` wrote") from error
    config, template = validate(PromptedEvalConfig, keys, f"{path}: ").parts()
    (name,) = set_names([config])
    if eval_set not in (None, name):
        raise DataError(f"{folder} has no eval set {eval_set!r}: choose from {name}")
    check_model(model)
    return Measured(folder / WRITTEN[0], model, config, template, all_rows=True)


def _eval_set(run: Path, config: ZeroConfig, name: str | None) -> tuple[str, EvalConfig]:
    sets = dict(zip(set_names(config.evaluations), config.evaluations, strict=True))
    chosen = name or next(iter(sets), "")
    if chosen not in sets:
        raise DataError(f"{run} has no eval set {chosen!r}: choose from {', '.join(sets) or 'none'}")
    return chosen, sets[chosen]


def _config(run: Path) -> ZeroConfig:
    data = read_mapping(run / "config.yaml") if (run / "config.yaml").is_file() else {}
    if "evaluations" not in data or "grpo" not in data:
        remedy = f"evaluate the model with dunwu eval {run} --task TASK --out FOLDER, and give that folder"
        raise RunError(f"{run} has no evaluations to start from, as runs of dunwu zero have: {remedy}")
    return validate(ZeroConfig, data, f"{run / 'config.yaml'}: ")


def _model(run: Path, phase: str, config: ZeroConfig, reporter: Reporter) -> str:
    """What wrote the completions of a phase."""
    if phase == "before":
        return config.model
    if match := _STEP.fullmatch(phase):
        folder = run / "checkpoints" / f"step-{int(match[1]):06d}"
        if not folder.is_dir():
            there = ", ".join(sorted(each.name for each in folder.parent.glob("step-*"))) or "none"
            raise RunError(f"{folder} is not kept any more (kept: {there}): choose before or after, or set keep_checkpoints")
        return str(folder)
    if phase != "after":
        raise RunError(f"phase {phase!r} is unknown: choose before, after, or a step such as step-00060")
    found = newest_valid(run / "checkpoints", _refuse)
    if found is None:
        raise RunError(f"{run} has no valid checkpoint: choose the phase before, or train first")
    return str(found)


def _refuse(step: Path, reason: str) -> None:
    """An older checkpoint did not write the completions after training."""
    raise RunError(f"{step.name}, which wrote the completions after training, is corrupt ({reason}): choose the phase before, or a step")
