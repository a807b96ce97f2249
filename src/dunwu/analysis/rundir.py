"""A run directory as a report needs it. ``missing`` names what is missing or corrupt; the rest is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dunwu.analysis.curves import Metrics, is_step, number, read_metrics
from dunwu.errors import DataError, RunError
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.store import read_evaluation
from dunwu.models.bundled import newest_checkpoint

MANIFEST, METRICS, SUMMARY = "manifest.json", "metrics.jsonl", "summary.json"
WITHOUT_SETS = frozenset({"sft", "distillation", "reward-model"})
"""Kinds of runs whose evaluation is not pass@1 over a set of problems."""


@dataclass(frozen=True)
class HeldOutSet:
    """One held-out set before and after training: the headline numbers, and all completions if they were saved."""

    name: str
    summaries: Mapping[str, Mapping[str, Any]]
    """``EvaluationResult.summary`` of ``before`` and ``after`` (either may be absent)."""
    results: Mapping[str, EvaluationResult]
    """All completions of ``before`` and ``after`` (either may be absent)."""


@dataclass(frozen=True)
class Run:
    """The content of a run directory."""

    path: Path
    config_text: str = field(default="", repr=False)
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)
    summary: Mapping[str, Any] = field(default_factory=dict, repr=False)
    metrics: Metrics = field(default_factory=Metrics, repr=False)
    sets: tuple[HeldOutSet, ...] = field(default=(), repr=False)
    measured: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict, repr=False)
    """Points of each eval set that was measured during training too (`dunwu.jobs.evaluations.CURVE`), by name."""
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    examples: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Held-out examples with their scores, for a reward model."""
    missing: tuple[str, ...] = ()

    @property
    def model(self) -> Path:
        """The newest checkpoint: what `load_model` and recipes take."""
        return newest_checkpoint(self.path)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The configuration as plain data; empty if it cannot be read."""
        try:
            found = yaml.safe_load(self.config_text)
        except (yaml.YAMLError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def read_run(path: Path | str) -> Run:
    """Read the run directory ``path``. Raises ``RunError`` if it does not exist."""
    path = Path(str(path))
    if not path.is_dir():
        raise RunError(f"there is no run folder {path}: pass the folder that `dunwu zero` printed")
    missing: list[str] = []
    expected: list[str] = []
    config = path / "config.yaml"
    if not config.is_file():
        missing.append("config.yaml is missing: the configuration is not shown.")
    manifest = _read_json(path / MANIFEST, missing, "the manifest is not shown")
    unread = missing if (path / SUMMARY).exists() else expected
    summary = _read_json(path / SUMMARY, unread, "the run has not finished, or was stopped before the last evaluation")
    metrics = read_metrics(path / METRICS)
    if not metrics.rows:
        expected.append("metrics.jsonl has no steps yet: no training curves are shown.")
    if metrics.unreadable:
        missing.append(f"metrics.jsonl: {metrics.unreadable} line(s) could not be read and were skipped.")
    sets = () if manifest.get("kind") in WITHOUT_SETS else _held_out_sets(path / "evaluations", summary, missing, expected)
    if not ("starts" in manifest and manifest.get("finished") is None):  # an unfinished run cannot have everything yet
        missing += expected
    text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    found = _read_json(path / "evaluations" / "examples.json", [], "").get("examples")
    examples = tuple(each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()
    return Run(path, text, manifest, summary, metrics, sets, _measured(path), _card(path, manifest), examples, tuple(missing))


def _measured(path: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """The points of each eval set that have a step and a pass@1; a single point is no curve."""
    found = _read_json(path / "evaluations" / "curve.json", [], "")
    curves = {name: tuple(each for each in points if _is_point(each)) for name, points in found.items() if isinstance(points, list)}
    return {name: points for name, points in curves.items() if len(points) > 1}


def _is_point(found: Any) -> bool:
    return isinstance(found, dict) and number(found.get("step")) is not None and number(found.get("pass_at_1")) is not None


def check_run(path: Path) -> None:
    """Raise ``RunError`` if a folder is not a run: it has neither a manifest nor a step, or has other files of those names.

    The last line of ``metrics.jsonl`` may be incomplete, as after a kill.
    """
    manifest, metrics = path / MANIFEST, path / METRICS
    problems: list[str] = []
    found = _read_json(manifest, problems, "") if manifest.exists() else {}
    if problems or (manifest.exists() and not (isinstance(found.get("kind"), str) and isinstance(found.get("config"), dict))):
        raise RunError(f"{manifest} does not belong to a run: give a run directory, or restore the file")
    *lines, _ = metrics.read_bytes().split(b"\n") if metrics.is_file() else [b""]
    for place, line in enumerate(lines, 1):
        if not is_step(line):
            raise RunError(f"{metrics} line {place} is not a step of a run: give a run directory, or delete that line")
    if not (found or lines):
        raise RunError(f"{path} is not a run directory (it has no {MANIFEST}, and no steps in {METRICS}): check the path")


def mapping(facts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at a key; empty if the value is not a mapping."""
    found = facts.get(key)
    return found if isinstance(found, Mapping) else {}


def _read_json(path: Path, missing: list[str], consequence: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        missing.append(f"{path.name} is missing: {consequence}.")
        return {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        missing.append(f"{path.name} cannot be read: {consequence}.")
        return {}
    return found


def _held_out_sets(folder: Path, summary: Mapping[str, Any], missing: list[str], expected: list[str]) -> tuple[HeldOutSet, ...]:
    """The sets; ``missing`` and ``expected`` get a line for each that is corrupt or not there yet."""
    results: dict[str, dict[str, EvaluationResult]] = {}
    for path in sorted(folder.glob("*.parquet")):
        phase, _, name = path.stem.partition("-")
        if phase not in ("before", "after") or not name:
            continue
        try:
            results.setdefault(name, {})[phase] = read_evaluation(path)
        except DataError:
            missing.append(f"evaluations/{path.name} cannot be read.")
    named = [name for name, value in summary.items() if isinstance(value, dict) and value.keys() & {"before", "after"}]
    sets = tuple(_held_out_set(name, summary, results.get(name, {})) for name in dict.fromkeys([*named, *results]))
    if not sets:
        expected.append("No held-out evaluation was found: before and after are not compared.")
    for held_out in sets:
        expected += [f"{held_out.name}: there is no evaluation {p} training." for p in ("before", "after") if p not in held_out.summaries]
    return sets


def _held_out_set(name: str, summary: Mapping[str, Any], results: Mapping[str, EvaluationResult]) -> HeldOutSet:
    summaries = {phase: result.summary() for phase, result in results.items()}
    saved = summary.get(name)
    if isinstance(saved, dict):
        summaries |= {phase: saved[phase] for phase in ("before", "after") if isinstance(saved.get(phase), dict)}
    return HeldOutSet(name, summaries, results)


def _card(run: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The base model's card. ``manifest["base_card"]`` is the card, or the path of a ``card.json`` (relative to the run, or absolute)."""
    card = manifest.get("base_card")
    if isinstance(card, str):
        card = _read_json(run / card, [], "")
    return card if isinstance(card, dict) else {}
