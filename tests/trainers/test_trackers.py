"""Experiment trackers: they get every metric once, a resumed run continues its tracked run, and none of them can stop training."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError, Interrupted
from dunwu.jobs.zero import run_zero
from dunwu.run.directory import RunDirectory, read_manifest, read_metrics
from dunwu.run.identity import check_same_run
from dunwu.trainers import trackers
from dunwu.trainers.trackers import check_trackers, open_trackers
from tests.recorder import Recorder


class Fake:
    """A tracker that keeps what it gets, and fails on the steps in ``broken``."""

    def __init__(self, broken: set[int]) -> None:
        self.rows: list[tuple[int, dict[str, Any]]] = []
        self.config: Mapping[str, Any] = {}
        self.finished = False
        self._broken = broken
        self.tracker = SimpleNamespace(info=SimpleNamespace(run_id="m1"))

    def start(self) -> None: ...

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        self.config = values

    def log(self, values: Mapping[str, Any], step: int) -> None:
        if step in self._broken:
            raise OSError("network is unreachable")
        self.rows.append((step, dict(values)))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    """The fake trackers in the order in which they were made; set ``fakes.broken`` through the list below."""
    made: list[Fake] = []

    def make(name: str, run: RunDirectory) -> Fake:
        made.append(Fake({2} if name == "wandb" else set()))
        return made[-1]

    monkeypatch.setattr(trackers, "_make", make)
    monkeypatch.setattr(trackers, "find_spec", lambda name: object())
    return made


def opened(path: Path, *names: Any, resume: bool = False, recorder: Recorder | None = None) -> Any:
    run = RunDirectory.create(path, "test", {"a": {"b": [1, None]}, "report_to": list(names)}, 0, resume, reporter=recorder or Recorder())
    return run, open_trackers(names, run)


def test_numbers_are_sent_and_texts_are_not(fakes: list[Fake], tmp_path: Path) -> None:
    run, context = opened(tmp_path / "run", "trackio")
    with run, context as track:
        track(1, {"reward": 0.5, "tokens": 3, "set": "a completion", "kl": None})
    assert fakes[0].rows == [(1, {"reward": 0.5, "tokens": 3})]
    assert fakes[0].config == {"a.b.0": 1, "a.b.1": "None", "report_to.0": "trackio"}
    assert fakes[0].finished


def test_mlflow_gets_no_metric_below_another(fakes: list[Fake], tmp_path: Path) -> None:
    run, context = opened(tmp_path / "run", "mlflow")
    with run, context as track:
        track(1, {"rewards/accuracy": 0.5, "rewards/accuracy/std": 0.1, "reward": 1.0})
    assert fakes[0].rows == [(1, {"rewards/accuracy": 0.5, "rewards/accuracy_std": 0.1, "reward": 1.0})]


def test_a_tracker_that_fails_is_switched_off_with_one_warning(fakes: list[Fake], tmp_path: Path, recorder: Recorder) -> None:
    run, context = opened(tmp_path / "run", "wandb", "trackio", recorder=recorder)
    with run, context as track:
        for step in (1, 2, 3):
            track(step, {"reward": step})
    assert [[step for step, _ in fake.rows] for fake in fakes] == [[1], [1, 2, 3]]
    (warning,) = recorder.of("warn")
    assert "wandb" in warning
    assert "network is unreachable" in warning


def test_a_tracker_that_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Locked(Fake):
        def start(self) -> None:
            raise RuntimeError("no API key")

    monkeypatch.setattr(trackers, "_make", lambda name, run: Locked(set()))
    run, context = opened(tmp_path / "run", "wandb")
    with run, pytest.raises(ConfigError, match="no API key"), context:
        pass


def test_a_resumed_run_keeps_its_id_and_sends_no_configuration_again(fakes: list[Fake], tmp_path: Path) -> None:
    for resume in (False, True):
        run, context = opened(tmp_path / "run", "wandb", resume=resume)
        with run, context:
            pass
        kept = read_manifest(tmp_path / "run")["tracking"]
        if not resume:
            first = kept
    assert kept == first
    assert kept["wandb"] == kept["id"]
    assert fakes[0].config
    assert not fakes[1].config


def test_a_missing_package_is_named_before_any_work(
    monkeypatch: pytest.MonkeyPatch, zero_config: Callable[..., ZeroConfig], tmp_path: Path
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "mlflow" else object())
    check_trackers(("wandb",))
    with pytest.raises(ConfigError, match="pip install mlflow"):
        run_zero(zero_config("report_to=mlflow"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "expected"), [("wandb", ("wandb",)), ("[wandb, mlflow]", ("wandb", "mlflow")), ("null", ()), ("none", ()), ("[]", ())]
)
def test_a_name_a_list_or_none(given: str, expected: tuple[str, ...]) -> None:
    assert load_config(ZeroConfig, None, [f"report_to={given}"]).report_to == expected


def test_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="comet"):
        load_config(ZeroConfig, None, ["report_to=comet"])


def test_a_run_sends_its_metrics_and_evaluations(fakes: list[Fake], zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    run = run_zero(zero_config("report_to=[trackio]", "grpo.steps=3", "evaluate_every=2"), tmp_path / "run")
    plain = run_zero(zero_config("grpo.steps=3"), tmp_path / "plain")
    rows = dict(row for row in fakes[0].rows if "reward" in row[1])
    assert rows.keys() == {1, 2, 3}
    for row in read_metrics(run):
        assert rows[row["step"]] == {key: row[key] for key in rows[row["step"]]}
    assert [step for step, row in fakes[0].rows if "eval/say/pass_at_1" in row] == [0, 2, 3]
    model = "checkpoints/step-000003/model.safetensors"
    assert (run / model).read_bytes() == (plain / model).read_bytes()


def test_tensorboard_reads_the_metrics_of_a_resumed_run(zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    """The real tracker: its event files have the values of ``metrics.jsonl``, every step once."""
    pytest.importorskip("accelerate")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    class StopAt(Recorder):
        def progress(self, *arguments: Any) -> Any:
            context = super().progress(*arguments)
            advance = context.__enter__()

            def wrapped(step: int, metrics: Any) -> None:
                advance(step, metrics)
                if step == 3:
                    signal.raise_signal(signal.SIGTERM)

            class Wrapping:
                def __enter__(self) -> Any:
                    return wrapped

                def __exit__(self, *error: Any) -> None:
                    context.__exit__(None, None, None)

            return Wrapping()

    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        run_zero(zero_config("report_to=tensorboard"), run, reporter=StopAt())
    run_zero(zero_config("report_to=tensorboard"), run, resume=True)
    events = accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    for name in ("reward", "completions/mean_length"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in read_metrics(run)]
    assert json.loads((run / "manifest.json").read_text())["tracking"]["tensorboard"]


def test_a_run_resumes_with_other_trackers(zero_config: Callable[..., Any]) -> None:
    """A tracker that does not start must not keep a run from resuming, and training does not depend on it."""
    for old, new in (("[]", "[tensorboard]"), ("[wandb]", "[]"), ("[wandb]", "[mlflow, wandb]")):
        stored, config = zero_config(f"report_to={old}").model_dump(mode="json"), zero_config(f"report_to={new}")
        check_same_run(Path("run"), {"config": stored}, {"config": config.model_dump(mode="json")}, config.resume_may_change)
