"""Real processes: killed, asked to stop, started twice; a resumed run ends as an uninterrupted one does."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from dunwu.cli.main import main
from dunwu.errors import Interrupted
from dunwu.jobs.stopping import stopping_at_once
from dunwu.run.checkpoint import newest_valid
from dunwu.run.directory import read_manifest
from dunwu.run.step_manifest import verify_checkpoint

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_resume", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_resume"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


script = load_script()


@pytest.fixture(scope="module")
def forks() -> Iterator[Any]:
    with script.forks() as made:
        yield made


@pytest.fixture
def forker(forks: Any) -> Iterator[Any]:
    yield forks
    forks.end()  # a test that fails leaves no run to the next one


@pytest.fixture
def command(say_overrides: Sequence[str], tmp_path: Path) -> list[str]:
    """A run of 16 steps with a reward worker; two seconds."""
    (tmp_path / "empty.yaml").write_text("seed: 0\n", encoding="utf-8")
    more = ["grpo.steps=16", "reward_workers=1", "grpo.beta=0.01", "grpo.reference_every=4"]
    return ["zero", "--recipe", str(tmp_path / "empty.yaml"), *say_overrides, *more]


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.002)


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def check(figures: Any, kills: int) -> None:
    assert figures.kills == kills
    assert figures.good, figures.report()


def test_killed_at_random_moments_and_resumed_it_is_uninterrupted(forker: Any, command: list[str], tmp_path: Path) -> None:
    figures = script.kill_and_resume(forker, command, tmp_path, 3, seed=1)
    check(figures, 3)
    assert figures.kills_in_saves >= 1


@pytest.mark.slow
def test_twenty_kills(forker: Any, command: list[str], tmp_path: Path) -> None:
    figures = script.kill_and_resume(forker, command, tmp_path, 20, seed=2)
    check(figures, 20)
    assert figures.kills_in_saves >= 5


@pytest.mark.slow
def test_a_lora_run_is_killed_and_resumed(forker: Any, command: list[str], tmp_path: Path) -> None:
    """Each start is a process of its own: the order of a set, say, must not reach a file."""
    figures = script.kill_and_resume(forker, [*command, "lora.rank=4", "grpo.learning_rate=2e-2"], tmp_path, 3, seed=1)
    check(figures, 3)


def test_the_comparison_notices_a_difference(forker: Any, command: list[str], tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        short = ["grpo.steps=2", f"seed={seed}", "evaluations=[]", "reward_workers=0"]
        forker.start([*command, *short, "--out", str(tmp_path / name)], tmp_path / "log")
        assert forker.wait() == 0, (tmp_path / "log").read_text()
    assert script.differences(tmp_path / "a", tmp_path / "a") == []
    found = script.differences(tmp_path / "a", tmp_path / "b")
    assert "b: metrics.jsonl" in found
    assert "b: checkpoints/step-000002/model.safetensors" in found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_saves_and_its_exit_code_says_so(number: int, forker: Any, command: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    pid = forker.start([*command, "grpo.steps=10000", "save_every=10000", "--out", str(run)], tmp_path / "log")
    wait_until(lambda: lines_of(run / "metrics.jsonl") >= 3)
    workers = psutil.Process(pid).children(recursive=True)
    assert workers, "there is a reward worker"
    began = time.monotonic()
    os.kill(pid, number)
    assert forker.wait() == 128 + number
    assert time.monotonic() - began < 30
    said = (tmp_path / "log").read_text()
    assert "which is saved" in said
    assert "to resume: dunwu zero" in said
    assert "Traceback" not in said
    assert last_step(run) == lines_of(run / "metrics.jsonl")
    assert psutil.wait_procs(workers, 10)[1] == []


def test_asked_to_stop_while_it_measures_it_stops_at_once(forker: Any, command: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = ["evaluations.0.problems=5", "evaluations.0.samples=100000"]
    log = tmp_path / "log"
    pid = forker.start([*command, *long, "--out", str(run)], log)
    wait_until(lambda: log.exists() and "held-out problems" in log.read_text())
    time.sleep(0.2)
    os.kill(pid, signal.SIGTERM)
    assert forker.wait() == 128 + signal.SIGTERM
    said = log.read_text()
    assert "dunwu: SIGTERM: stopped" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_outside_the_loop_a_signal_is_an_error_that_says_so(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=number.name), stopping_at_once():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_second_trainer_is_refused(forker: Any, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    argv = [*command, "grpo.steps=10000", "--out", str(run)]
    pid = forker.start(argv, tmp_path / "log")
    wait_until(lambda: lines_of(run / "metrics.jsonl") >= 1)
    assert main([*argv, "--resume"]) == 2  # this process is the second trainer
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"in use by another trainer (pid {pid} on host " in err
    steps = lines_of(run / "metrics.jsonl")
    wait_until(lambda: lines_of(run / "metrics.jsonl") > steps)  # the first goes on
    os.kill(pid, signal.SIGTERM)
    assert forker.wait() == 128 + signal.SIGTERM
    assert len(read_manifest(run)["starts"]) == 1
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == list(range(1, last_step(run) + 1))


def last_step(run: Path) -> int:
    newest = newest_valid(run / "checkpoints", lambda folder, reason: pytest.fail(reason))
    assert newest is not None
    verify_checkpoint(newest)
    return int(newest.name.removeprefix("step-"))
