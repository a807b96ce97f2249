"""The train loop: every step once, saved in time, resumed from the newest valid checkpoint, stopped by a signal."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dunwu.errors import Interrupted, TrainingError
from dunwu.run.directory import RunDirectory
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.train_loop import Metrics, Schedule, run_steps
from tests.recorder import Recorder


class Adder:
    """A trainer whose whole state is a number: each step adds the step to three times what was."""

    def __init__(self, at_step: Callable[[int], None] = lambda step: None) -> None:
        self.value = 0
        self.steps: list[int] = []
        self.halted = ""
        self._at_step = at_step

    def step(self, step: int) -> Metrics:
        self._at_step(step)
        self.steps.append(step)
        self.value = 3 * self.value + step
        return {"value": self.value}

    def save(self, folder: Path) -> None:
        (folder / "value.json").write_text(json.dumps(self.value))

    def load(self, folder: Path) -> None:
        self.value = json.loads((folder / "value.json").read_text())


def turn(
    path: Path, trainer: Adder, steps: int = 7, save_every: int = 2, keep: int = 2, resume: bool = True, reporter: Reporter = QUIET
) -> Path:
    with RunDirectory.create(path, "test", {"a": 1}, 0, resume, reporter=reporter) as run:
        return run_steps(run, trainer, Schedule(steps, save_every, keep, "test"))


def rows(path: Path) -> list[tuple[int, int]]:
    return [(row["step"], row["value"]) for row in map(json.loads, (path / "metrics.jsonl").read_text().splitlines())]


def stop_at(wanted: int) -> Callable[[int], None]:
    return lambda step: signal.raise_signal(signal.SIGTERM) if step == wanted else None


def test_every_step_once_and_the_last_is_saved(tmp_path: Path) -> None:
    trainer = Adder()
    final = turn(tmp_path / "run", trainer)
    assert trainer.steps == list(range(1, 8))
    assert final.name == "step-000007"
    assert sorted(p.name for p in final.parent.glob("step-*")) == ["step-000006", "step-000007"]
    assert [step for step, _ in rows(tmp_path / "run")] == list(range(1, 8))


def test_stopped_anywhere_and_taken_up_it_is_the_same(tmp_path: Path) -> None:
    whole = Adder()
    turn(tmp_path / "whole", whole)
    for wanted in range(1, 8):
        path = tmp_path / f"stopped-{wanted}"
        with pytest.raises(Interrupted, match=f"stopped after step {wanted} of 7, which is saved"):
            turn(path, Adder(stop_at(wanted)))
        trainer, recorder = Adder(), Recorder()
        turn(path, trainer, reporter=recorder)
        assert trainer.steps == list(range(wanted + 1, 8))
        assert [text for text in recorder.of("warn") if f"step-{wanted:06d}" in text]
        assert recorder.of("progress") == [("test", wanted, 7)]
        assert recorder.of("step") == [(step, {}) for step in trainer.steps]
        assert trainer.value == whole.value
        assert rows(path) == rows(tmp_path / "whole")


def test_a_crash_goes_back_to_the_newest_checkpoint(tmp_path: Path) -> None:
    def crash(step: int) -> None:
        if step == 6:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        turn(tmp_path / "run", Adder(crash))
    assert [step for step, _ in rows(tmp_path / "run")] == [1, 2, 3, 4, 5]
    trainer = Adder()
    turn(tmp_path / "run", trainer)
    assert trainer.steps == [5, 6, 7]
    assert [step for step, _ in rows(tmp_path / "run")] == list(range(1, 8))


def test_a_corrupt_checkpoint_is_skipped_and_named(tmp_path: Path, recorder: Recorder) -> None:
    whole = Adder()
    turn(tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        turn(tmp_path / "run", Adder(stop_at(6)))
    (tmp_path / "run" / "checkpoints" / "step-000006" / "value.json").write_text("99")
    trainer = Adder()
    turn(tmp_path / "run", trainer, reporter=recorder)
    skipped, resumed, *_ = recorder.of("warn")
    assert "step-000006" in skipped
    assert "step-000004" in resumed
    assert trainer.steps == [5, 6, 7]
    assert trainer.value == whole.value
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_with_all_checkpoints_torn_it_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        turn(tmp_path / "run", Adder(stop_at(3)))
    for file in (tmp_path / "run" / "checkpoints").glob("*/value.json"):
        file.unlink()
    trainer = Adder()
    turn(tmp_path / "run", trainer)
    assert trainer.steps == list(range(1, 8))
    assert [step for step, _ in rows(tmp_path / "run")] == list(range(1, 8))


def test_a_finished_run_steps_no_further(tmp_path: Path) -> None:
    first = turn(tmp_path / "run", Adder())
    trainer = Adder()
    assert turn(tmp_path / "run", trainer) == first
    assert trainer.steps == []
    assert trainer.value > 0


def test_a_trainer_that_halts_is_saved_and_stops_the_run(tmp_path: Path) -> None:
    trainer = Adder()

    def halt(step: int) -> None:
        trainer.halted = "planted reason" if step == 3 else ""

    trainer._at_step = halt
    with pytest.raises(TrainingError, match="stopped after step 3 of 7, which is saved: planted reason"):
        turn(tmp_path, trainer)
    assert trainer.steps == [1, 2, 3]
    assert rows(tmp_path)[-1] == (3, trainer.value)
    assert (tmp_path / "checkpoints" / "step-000003" / "value.json").exists()
