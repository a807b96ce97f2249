"""The check of a GPU, rehearsed on a CPU: deadlines, lines of the output file, and its phases on tiny models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_check
from benchmarks.checkpoints import Shape

ROOT = Path(gpu_check.__file__).parents[1]


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_a_phase_ends_ok_with_its_code_or_at_its_deadline() -> None:
    run = {code: gpu_check.run_phase("p", [sys.executable, "-c", code], dict(os.environ), 20).how for code in ("pass", "exit(3)")}
    assert run == {"pass": "ok", "exit(3)": "exit code 3"}
    began = time.monotonic()
    hangs = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    assert gpu_check.run_phase("p", [sys.executable, "-c", hangs], dict(os.environ), 1).how == "deadline"
    assert time.monotonic() - began < 15


def test_a_machine_that_can_measure_nothing_ends_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ends = {"ceilings": "exit code 1", "decode": "ok"}
    monkeypatch.setattr(gpu_check, "run_phase", lambda name, *_: gpu_check.Ended(name, ends[name], 1.0))
    ended = gpu_check.check(tmp_path / "out", ["packages", "ceilings", "decode"], tmp_path / "no-wheels", tiny=True)
    assert [each.phase for each in ended] == ["ceilings"]
    assert lines(tmp_path / "out") == [{"phase": "ceilings", "ended": "exit code 1", "seconds": 1.0}]


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restores what handles signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def stop(number: int) -> str:
    os.kill(os.getpid(), number)
    time.sleep(5)
    return "the signal was not handled"


ENDS: dict[str, tuple[dict[str, Callable[[], str]], int, str]] = {
    "ok": ({}, 0, "ok"),
    "failed": ({"decode": lambda: "exit code 1"}, 1, "decode: exit code 1"),
    "measures nothing": ({"ceilings": lambda: "exit code 1"}, 1, "ceilings: exit code 1; decode: not finished; step: not finished"),
    "Ctrl-C": ({"decode": lambda: stop(signal.SIGINT)}, 130, "SIGINT; decode: not finished; step: not finished"),
    "SIGTERM": ({"step": lambda: stop(signal.SIGTERM)}, 143, "SIGTERM; step: not finished"),
}


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("name", ENDS)
def test_the_end_says_what_ran(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends, code, said = ENDS[name]
    monkeypatch.setattr(gpu_check, "run_phase", lambda phase, *_: gpu_check.Ended(phase, ends.get(phase, lambda: "ok")(), 1.0))
    out = tmp_path / "out"
    options = ["--out", str(out), "--only", "ceilings", "decode", "step", "--wheels", str(tmp_path)]
    assert gpu_check.main(options) == code
    assert capsys.readouterr().out.splitlines()[-1] == f"end: {said}"
    assert lines(out)[-1]["ended"] == said


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("out", ["/dev/full", "/proc/none/out", "folder"])
def test_an_output_file_that_cannot_be_written(
    out: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The phase that ran before the disk was full is reported."""
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(gpu_check, "run_phase", lambda phase, *_: gpu_check.Ended(phase, "ok", 1.0))
    assert gpu_check.main(["--out", str(tmp_path / out), "--only", "ceilings", "decode", "--wheels", str(tmp_path)]) == 2
    printed = capsys.readouterr().out.splitlines()
    assert "cannot be written" in printed[-1]
    assert printed[0].startswith("ceilings") == (out == "/dev/full")


def test_carried_packages_are_those_of_the_constraints() -> None:
    pinned = set((ROOT / "constraints.txt").read_text(encoding="utf-8").lower().split())
    assert set((ROOT / "benchmarks" / "gpu_wheels.txt").read_text(encoding="utf-8").split()) <= pinned


def test_the_floor_counts_each_step_and_each_live_row() -> None:
    from benchmarks.gpu_phases import Decoding, floor_seconds

    shape = Shape(hidden=4, layers=3, heads=2, kv_heads=1, head_dim=2, intermediate=8, vocabulary=5)
    entry = 2 * 2 * 3 * 1 * 2
    read = 2 * (2 * shape.weights) + entry * ((10 + 1) + (10 + 1) + (10 + 2))
    assert floor_seconds(shape, Decoding("", 2, prompt=10), [1, 2], 100.0) == read / 100


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_phases_on_tiny_models_write_their_lines(tmp_path: Path) -> None:
    from benchmarks import gpu_phases

    out = tmp_path / "out"
    out.write_text("", encoding="utf-8")
    for phase in ("ceilings", "decode"):
        assert gpu_phases.main([phase, "--out", str(out), "--folder", str(tmp_path), "--tiny"]) == 0
    found = lines(out)
    assert not [line for line in found if "error" in line]
    assert {line["part"] for line in found} >= {"copy", "tiny, 8 rows, mixed lengths: graphs, sdpa", "kernels of a step"}


def test_without_a_gpu_the_first_phase_fails(tmp_path: Path) -> None:
    from benchmarks.gpu_phases import HAS_GPU, main

    if HAS_GPU:
        pytest.skip("there is a GPU")
    assert main(["ceilings", "--out", str(tmp_path / "out"), "--folder", str(tmp_path)]) == 1
    assert lines(tmp_path / "out")[0]["error"].startswith("no GPU")


def test_a_part_that_fails_is_a_line_and_fails_its_phase_if_it_must_work(tmp_path: Path) -> None:
    from benchmarks.gpu_phases import Log, Settings

    log = Log(Settings(tmp_path / "out", tmp_path, True, 0.0), "decode")
    log.part("may", lambda: {"value": 1 // 0}, must=False)
    assert log.good
    log.part("must", lambda: {"value": 1 // 0})
    assert not log.good
    assert [line["error"].split(":")[0] for line in lines(tmp_path / "out")] == ["ZeroDivisionError"] * 2


@pytest.mark.slow
def test_the_whole_check_runs_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "check.jsonl"
    command = [sys.executable, "benchmarks/gpu_check.py", "--tiny", "--out", str(out), "--wheels", str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    found = {(line["phase"], line.get("part")): line for line in lines(out)}
    assert not [line for line in found.values() if "error" in line]
    assert {phase for phase, part in found if part is None} == set(gpu_check.PHASES) - {"packages"}
    assert [point[0] for point in found["learn", "resumed"]["curve"]] == list(range(1, 7))
    assert found["learn", "killed"]["steps"] < 6
    assert set(found["learn", "with rollouts drawn ahead"]["pass_at_1"]["countdown"]) == {"before", "after"}
