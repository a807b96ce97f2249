"""`dunwu reproduce`: mistakes, a dry run, and a whole miniature that is killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dunwu.cli.main import main
from tests.few_steps import claims_few_steps, reproduce_few_steps

FIVE = ["claims=[lift, majority, thinking, reflection, language, process]", "seeds=2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["claims=[lifts]"], "lift"),
        (["claims=[]"], "claims"),
        (["seeds=0"], "seeds"),
        (["seeds=101"], "seeds"),
        (["claims=[lift]", "zero.grpo.stepz=3"], "grpo.steps"),
        (["claims=[lift]", "language.grpo.steps=3"], "language"),
        (["--quik"], "--quick"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", *arguments, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_dry_run_says_how_long_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "--quick", "claims=[lift]", "seeds=1", "--dry-run"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("# time:")]
    assert "minutes" in line
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_miniature_is_killed_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["reproduce", *FIVE, "--out", str(out), *reproduce_few_steps()]
    killed = subprocess.Popen([sys.executable, "-m", "dunwu.cli.main", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while not [*out.glob("stages/zero-1/*/run/checkpoints/step-*")]:
        assert killed.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = {path: path.stat().st_mtime_ns for path in out.glob("stages/*/*/artefact.json")}
    assert before
    assert main(command) == 0
    assert before.items() <= {path: path.stat().st_mtime_ns for path in out.glob("stages/*/*/artefact.json")}.items()
    [table] = out.glob("stages/reproduction/*/output/reproduction.json")
    rows = json.loads(table.read_text(encoding="utf-8"))["rows"]
    assert [row["claim"] for row in rows] == ["lift", "majority", "thinking", "thinking", "reflection", "language", "language", "process"]
    assert all(len(row["seeds"]) == 2 for row in rows if row["difference"])
    assert rows[-1]["verdict"] == "not built"
    made = {path: path.stat().st_mtime_ns for path in out.glob("stages/*/*/artefact.json")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("stages/*/*/artefact.json")} == made
    capsys.readouterr()
    assert main(["report", str(out)]) == 0
    assert "process reward model" in (out / "stages.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_all_claims_in_miniature(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["reproduce", "seeds=1", "--out", str(out), *claims_few_steps()]) == 0
    [table] = out.glob("stages/reproduction/*/output/reproduction.json")
    rows = json.loads(table.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 14
    assert {row["verdict"] for row in rows} <= {"inconclusive", "not measured", "not built"}  # one seed gives no verdict
    compared = {row["claim"] for row in rows if row["difference"]}
    assert {"lift", "majority", "stages", "distillation", "ablations"} <= compared
