"""A pipeline run as its page needs it, read from plain files: the recipe, the progress, and each stage's result and cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dunwu.analysis.curves import number
from dunwu.analysis.rundir import mapping
from dunwu.analysis.sentences import PHASES, percent, plain
from dunwu.run.alive import running_pid

RECIPE = "recipe.yaml"
PAGES = (
    "run/report.html",
    "run/data/card.md",
    "output/card.md",
    "run/suite/suite.json",
    "output/stages.md",
    "output/comparison.md",
    "output/reproduction.md",
)
"""Pages that a stage may have written in its folder, the preferred one first."""
_DIGITS = 16
"""Digits of a stage's identity in its folder's name."""


@dataclass(frozen=True)
class StageRun:
    """A stage and its input stages; once it is done, also what it made (``result`` in words) and its cost."""

    name: str
    kind: str
    inputs: tuple[str, ...] = ()
    state: str = "waiting"
    folder: Path | None = None
    makes: str = ""
    result: str = ""
    cost: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    """Why it failed or stopped."""

    @property
    def page(self) -> Path | None:
        """The stage's own page, if it wrote one."""
        return next((self.folder / page for page in PAGES if (self.folder / page).is_file()), None) if self.folder else None


@dataclass(frozen=True)
class PipelineRun:
    """All stages, in recipe order."""

    name: str
    stages: tuple[StageRun, ...]


def read_pipeline_run(run: Path) -> PipelineRun | None:
    """The pipeline run in a folder, or ``None`` if there is none. A corrupt file counts as missing."""
    try:
        recipe = yaml.safe_load((run / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    written = mapping(recipe, "stages") if isinstance(recipe, dict) else {}
    journal = _json(run / "progress.json")
    stages = tuple(_stage(run, str(name), mapping(written, name), mapping(journal, name)) for name in written)
    return PipelineRun(str(recipe.get("name", run.name)), stages) if stages else None


def _stage(run: Path, name: str, written: Mapping[str, Any], entry: Mapping[str, Any]) -> StageRun:
    kind, inputs = str(written.get("work")), tuple(dict.fromkeys(map(str, mapping(written, "inputs").values())))
    identity = str(entry.get("identity") or "")
    if not identity:
        return StageRun(name, kind, inputs)
    folder = run / "stages" / name / identity[:_DIGITS]
    artefact = _json(folder / "artefact.json")
    if not artefact:
        state = str(entry.get("state"))
        if state == "running" and running_pid(run) is None:
            state = "stopped"  # its process was killed
        return StageRun(name, kind, inputs, "waiting" if state == "done" else state, folder, message=str(entry.get("message") or ""))
    payload = folder / str(artefact.get("payload"))
    card = _json(payload / "card.json") if artefact.get("makes") == "data" else {}
    result = _result(kind, _json(folder / "run" / "summary.json"), payload, card)
    return StageRun(name, kind, inputs, "done", folder, str(artefact.get("makes")), result, mapping(artefact, "cost"), card)


def _result(kind: str, summary: Mapping[str, Any], payload: Path, card: Mapping[str, Any]) -> str:
    """A stage's result in a few words; may be empty."""
    if card:
        return f"{_count(mapping(card, 'tokens').get('rows'))} rows, {_count(mapping(card, 'tokens').get('sum'))} tokens"
    match kind:
        case "zero":
            return "; ".join(
                _before_after(name, mapping(summary, name), "pass_at_1", percent) for name in summary if _has_both(summary, name)
            )
        case "sft" | "distillation":
            if _has_both(summary, "validation"):
                return _before_after("validation loss", mapping(summary, "validation"), "eval_loss", _loss)
            return f"loss {_loss(number(mapping(summary, 'loss').get('last')))} at the end"
        case "reward_model":
            return f"held-out accuracy {percent(number(mapping(summary, 'held_out').get('accuracy')))}"
        case "suite":
            sets = mapping(_json(payload / "suite.json"), "sets")
            drawn = sum(number(mapping(sets, name).get("completions")) or 0 for name in sets)
            return f"{_count(drawn)} completions in {len(sets)} sets"
        case "comparison":
            return f"{len(_json(payload / 'comparison.json').get('rows') or ())} ways"
        case "reproduction":
            rows = _json(payload / "reproduction.json").get("rows")
            held = [each for each in rows if isinstance(each, Mapping) and each.get("verdict") == "holds"] if isinstance(rows, list) else []
            return f"{len(held)} of {len(rows or ())} claims hold"
        case "stage_table":
            found = _json(payload / "stages.json").get("thresholds")
            outcomes = [each.get("outcome") for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
            return f"{outcomes.count('met')} of {len(outcomes)} thresholds met"
    return ""


def _has_both(summary: Mapping[str, Any], name: str) -> bool:
    return set(PHASES) <= mapping(summary, name).keys()


def _before_after(name: str, phases: Mapping[str, Any], key: str, show: Any) -> str:
    first, last = (show(number(mapping(phases, phase).get(key))) for phase in PHASES)
    return f"{name} {first} → {last}"


def _loss(value: float | None) -> str:
    return "not measured" if value is None else plain(value)


def _count(value: Any) -> str:
    return f"{number(value) or 0:,.0f}"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
