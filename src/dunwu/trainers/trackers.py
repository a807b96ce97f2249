"""Experiment trackers: TensorBoard, trackio, wandb and MLflow, through `accelerate.tracking`. The only module that imports accelerate.

They get the metrics of ``metrics.jsonl`` under the same names, and never anything that a model wrote.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

from dunwu.config.blocks import TrackerName
from dunwu.errors import ConfigError
from dunwu.process.attempt import attempt
from dunwu.run.directory import RunDirectory
from dunwu.run.step_manifest import folder_step

Track = Callable[[int, Mapping[str, Any]], None]
"""``track(step, metrics)``; values that are not numbers are dropped."""
TRACKING = "tracking"
"""Key of the manifest: the ids by which a resumed run continues its tracked runs."""
_PROJECT = {"wandb": "WANDB_PROJECT", "trackio": "TRACKIO_PROJECT", "mlflow": "MLFLOW_EXPERIMENT_NAME"}
"""The variable that names the project of a tracker; without it the project is ``dunwu``."""
_LONGEST = 250
"""Characters of a value of the configuration, which MLflow and TensorBoard bound."""


def no_tracker(step: int, metrics: Mapping[str, Any]) -> None:
    """Tracks nothing."""


def check_trackers(names: Sequence[TrackerName]) -> None:
    """Raise ``ConfigError`` with the command that installs what is missing."""
    if missing := [package for package in (("accelerate", *names) if names else ()) if find_spec(package) is None]:
        raise ConfigError(f"report_to = {', '.join(names)}: not installed; run `pip install {' '.join(missing)}`, or remove report_to")


@contextmanager
def open_trackers(names: Sequence[TrackerName], run: RunDirectory) -> Iterator[Track]:
    """A function that sends metrics to every tracker; a resumed run continues its tracked run. ``ConfigError`` if one does not start.

    A tracker that fails later, such as without a network, is switched off with one warning, and training continues.
    """
    if not names:
        yield no_tracker
        return
    trackers = {name: _start(name, run) for name in names}

    def track(step: int, metrics: Mapping[str, Any]) -> None:
        numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
        for name, tracker in list(trackers.items()):
            sent = {_shallow(key): value for key, value in numbers.items()} if name == "mlflow" else numbers
            attempt(partial(tracker.log, sent, step=step), partial(switch_off, name, step))

    def switch_off(name: TrackerName, step: int, reason: str) -> None:
        del trackers[name]
        run.reporter.warn(f"{name} failed at step {step} ({reason}): it is off until this run is resumed; training continues")

    def unfinished(name: TrackerName, reason: str) -> None:
        run.reporter.warn(f"{name} could not finish ({reason})")

    try:
        yield track
    finally:
        for name, tracker in trackers.items():
            attempt(tracker.finish, partial(unfinished, name))


def _start(name: TrackerName, run: RunDirectory) -> Any:
    """The started tracker. The configuration is sent once: MLflow refuses a value that has changed, such as a key changed on resume."""

    def refuse(reason: str) -> None:
        raise ConfigError(f"report_to = {name} does not start ({reason}): fix that, or remove it from report_to")

    tracker, ids = _make(name, run), run.manifest.setdefault(TRACKING, {})
    attempt(tracker.start, refuse)
    if name not in ids:
        attempt(partial(_send_config, name, tracker, dict(_flat(run.manifest["config"]))), refuse)
    ids[name] = tracker.tracker.info.run_id if name == "mlflow" else _identity(run)
    run.note({TRACKING: ids})
    return tracker


def _send_config(name: TrackerName, tracker: Any, config: Mapping[str, Any]) -> None:
    """TensorBoard gets a text: its hyperparameters would be a run of their own in its list."""
    if name == "tensorboard":
        tracker.tracker.add_text("config", "\n".join(f"    {key}: {value}" for key, value in config.items()))
    else:
        tracker.store_init_configuration(config)


def _shallow(key: str) -> str:
    """``rewards/accuracy_std`` for ``rewards/accuracy/std``: in MLflow's folder of files, a metric cannot be a folder of others."""
    first, slash, rest = key.partition("/")
    return f"{first}{slash}{rest.replace('/', '_')}"


def _make(name: TrackerName, run: RunDirectory) -> Any:
    from accelerate import PartialState, tracking

    PartialState()  # its logger requires it
    project = os.environ.get(_PROJECT.get(name, ""), "dunwu")
    folder, identity = run.path.resolve(), _identity(run)
    match name:
        case "tensorboard":
            return tracking.TensorBoardTracker("tensorboard", folder, purge_step=_next_step(run))
        case "wandb":
            settings = {"console": "off"}  # what a model writes stays on this machine
            return tracking.WandBTracker(project, name=folder.name, id=identity, resume="allow", dir=str(folder), settings=settings)
        case "trackio":
            return tracking.TrackioTracker(project, name=f"{folder.name}-{identity}", resume="allow")
        case "mlflow":
            return tracking.MLflowTracker(project, run_id=run.manifest.get(TRACKING, {}).get(name), run_name=folder.name)


def _identity(run: RunDirectory) -> str:
    """An id for this run, made at its first start."""
    identity: str = run.manifest.setdefault(TRACKING, {}).setdefault("id", uuid.uuid4().hex[:12])
    return identity


def _next_step(run: RunDirectory) -> int | None:
    """The step after the newest checkpoint, from which a resumed run replaces points of TensorBoard; ``None`` for a new run."""
    steps = [step for path in run.checkpoints.glob("step-*") if (step := folder_step(path)) is not None]
    return max(steps, default=0) + 1 if run.resumed else None


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str | int | float]]:
    """The leaves of a configuration by dotted key."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, int | float) else str(value)[:_LONGEST]
