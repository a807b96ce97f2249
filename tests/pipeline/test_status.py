"""What is told of a run while it runs and afterwards, and the table that shows it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dunwu.analysis.pipeline_run import read_pipeline_run
from dunwu.config.sft import SftConfig
from dunwu.errors import RunError
from dunwu.pipeline.artefacts import RECIPE, WORK, artefact_folder
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.journal import PROGRESS, Entry, Journal, read_journal
from dunwu.pipeline.live import conclusion, plain_lines, table
from dunwu.pipeline.recipe_file import dump_pipeline
from dunwu.pipeline.status import StageStatus, Status, guessed, read_status, read_tail, seconds_left
from dunwu.run.alive import running_pid
from dunwu.run.console import ConsoleReporter
from dunwu.run.directory import MANIFEST, RunDirectory

HALF = Status(
    "half",
    7,
    (
        StageStatus("base", "file", "done", left=0.0),
        StageStatus("zero", "zero", "running", "run", 30, 120, 60.0, 180.0),
        StageStatus("after", "evaluate", "waiting", left=20.0),
    ),
)


def test_states_costs_and_totals(workshop: Any) -> None:
    run_pipeline(workshop.diamond(), workshop.run, last="b")
    status = read_status(workshop.run)
    assert [(stage.name, stage.state) for stage in status.stages] == [("a", "done"), ("b", "done"), ("c", "waiting"), ("d", "waiting")]
    assert not status.done
    assert status.left is None, "nobody knows how long c takes"
    run_pipeline(workshop.diamond(), workshop.run)
    status = read_status(workshop.run)
    assert status.done
    assert (status.pid, status.left) == (None, 0.0)
    assert status.as_json()["stages"][3]["path"].endswith("/output")
    json.dumps(status.as_json())


def test_a_stage_that_has_not_begun_takes_as_long_as_one_of_its_kind() -> None:
    stages = [
        StageStatus("zero", "zero", "running", step=30, steps=120, seconds=60.0, left=180.0),
        StageStatus("first", "suite", "done", step=80, steps=80, seconds=8.0, left=0.0),
        StageStatus("mine", "own", "done", seconds=9.0, left=0.0),
        StageStatus("tuned", "sft", "waiting"),
        StageStatus("dev2", "zero", "waiting", steps=100),
        StageStatus("second", "suite", "waiting"),
        StageStatus("other", "own", "waiting"),
    ]
    found = Status("p", 7, guessed(stages))
    assert [stage.left for stage in found.stages[3:]] == [None, 200.0, 8.0, None]
    assert (found.left, found.left_at_least, found.unknown) == (None, 388.0, 2)
    assert conclusion(found).endswith("so far, at least 6m28s left")


def test_what_must_run_again_waits_and_its_earlier_time_is_the_guess(workshop: Any) -> None:
    run_pipeline(workshop.diamond(), workshop.run)
    run_pipeline(workshop.diamond(), workshop.run, last="a")
    assert read_status(workshop.run).done, "nothing has changed"
    run_pipeline(workshop.diamond(a="A", d="D"), workshop.run, last="b")
    status = {stage.name: stage for stage in read_status(workshop.run).stages}
    assert {name: stage.state for name, stage in status.items()} == {"a": "done", "b": "done", "c": "waiting", "d": "waiting"}
    assert status["c"].left is not None
    run_pipeline(workshop.diamond(a="A", d="E"), workshop.run, first="d")
    found = {stage.name: stage.state for stage in read_status(workshop.run).stages}
    assert found == {"a": "done", "b": "done", "c": "waiting", "d": "done"}, "d was made of the c that is there"


def test_an_artefact_that_was_deleted_is_no_longer_done(workshop: Any) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    shutil.rmtree(made["b"].folder)
    assert [stage.state for stage in read_status(workshop.run).stages] == ["done", "waiting", "done", "waiting"]


def test_the_pace_is_that_of_the_last_rows() -> None:
    rows = [{"step": 10, "time": 100.0}, {"step": 11, "time": 103.0}, {"step": 14, "time": 110.0}]
    assert seconds_left(rows, 20) == pytest.approx(2.5 * 6)
    assert seconds_left(rows[:1], 20) is None
    assert seconds_left(rows, 14) == 0.0


def test_a_run_says_how_many_steps_it_has_where_its_configuration_cannot(tmp_path: Path) -> None:
    pipeline = Pipeline("one", (Stage("tune", SftConfig(data="rows.jsonl")),))
    with RunDirectory.create(tmp_path, "pipeline", {"name": "one"}, 0):
        (tmp_path / RECIPE).write_text(dump_pipeline(pipeline), encoding="utf-8")
        journal = Journal(tmp_path)
        journal.begin(["tune"])
        assert read_status(tmp_path).stages[0].steps is None
        journal.note("tune", "running", "0123456789abcdef")
        with RunDirectory.create(artefact_folder(tmp_path, "tune", "0123456789abcdef") / WORK, "sft", {}, 0) as run:
            assert read_status(tmp_path).stages[0].steps is None
            run.manifest["steps"] = 40
            run.write_json(MANIFEST, run.manifest)
            assert plain_lines(read_status(tmp_path))[0].startswith("running  tune (sft)  step 0/40")
            for step in (1, 2):
                run.log(step, {})
            found = read_status(tmp_path).stages[0]
    assert (found.state, found.step, found.steps) == ("running", 2, 40)
    assert found.left is not None


def test_rows_that_are_cut_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_tail(path) == []
    lines = [json.dumps({"step": step, "time": 100.0 + step}) for step in range(1, 101)]
    path.write_text("\n".join(lines) + '\n{"step": 101, "ti', encoding="utf-8")
    assert [row["step"] for row in read_tail(path)] == list(range(1, 101))
    monkeypatch.setattr("dunwu.pipeline.status.TAIL_BYTES", 80)
    assert [row["step"] for row in read_tail(path)] == [99, 100]


def test_who_runs_it_is_who_holds_the_lock(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert running_pid(run) is None
    with RunDirectory.create(run, "pipeline", {"name": "p"}, 0):
        assert running_pid(run) == os.getpid()
    assert running_pid(run) is None
    # A killed holder: its number now belongs to a process that never opened the lock.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with RunDirectory.create(run, "pipeline", {"name": "p"}, 0, resume=True):
            (run / "lock").write_text((run / "lock").read_text().replace(str(os.getpid()), str(other.pid)), encoding="utf-8")
            assert running_pid(run) is None
        other.kill()


def test_a_stage_whose_process_was_killed_is_stopped_in_the_status_and_on_the_page(tmp_path: Path) -> None:
    pipeline = Pipeline("one", (Stage("tune", SftConfig(data="rows.jsonl")),))
    with RunDirectory.create(tmp_path, "pipeline", {"name": "one"}, 0):
        (tmp_path / RECIPE).write_text(dump_pipeline(pipeline), encoding="utf-8")
        journal = Journal(tmp_path)
        journal.begin(["tune"])
        journal.note("tune", "running", "0123456789abcdef")
        states = [read_status(tmp_path).stages[0].state, read_pipeline_run(tmp_path).stages[0].state]
    assert states == ["running", "running"]
    assert read_status(tmp_path).stages[0].state == "stopped"
    assert read_pipeline_run(tmp_path).stages[0].state == "stopped"
    assert "?" not in conclusion(read_status(tmp_path))


def test_a_folder_without_a_pipelines_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run of a pipeline \(recipe.yaml is missing\)"):
        read_status(tmp_path)


def test_the_journal_keeps_what_it_is_not_told_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(["a", "b"])
    journal.note("a", "running", "id", "why")
    assert read_journal(tmp_path)["a"].began > 0
    journal.note("a", "failed", message="it broke")
    found = read_journal(tmp_path)
    assert (found["a"].state, found["a"].identity, found["a"].message) == ("failed", "id", "it broke")
    assert found["b"] == Entry()
    journal.note("b", "done", "other")
    Journal(tmp_path).begin(["a", "b", "c"])
    found = read_journal(tmp_path)
    assert {name: (entry.state, entry.identity) for name, entry in found.items()} == {
        "a": ("waiting", "id"),
        "b": ("done", "other"),
        "c": ("waiting", ""),
    }
    Journal(tmp_path).begin(["b"])
    assert read_journal(tmp_path).keys() == {"b"}, "a stage that the recipe lost is forgotten"
    (tmp_path / PROGRESS).write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="delete it"):
        read_journal(tmp_path)


def shown(renderable: Any, width: int = 100) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(renderable)
    return console.export_text()


def test_the_table_and_the_lines() -> None:
    text = shown(table(HALF))
    for part in ("zero", "running", "30/120", "1m00s", "3m00s", "waiting", "20s", "3m20s"):
        assert part in text
    assert plain_lines(HALF) == [
        "done     base (file)",
        "running  zero (zero)  step 30/120, took 1m00s, 3m00s left",
        "waiting  after (evaluate)  20s left",
    ]
    assert conclusion(HALF) == "running as process 7; 1m00s and 0 tokens so far, 3m20s left"
    stopped = Status("x", None, (StageStatus("a", "own", "failed", message="it \x1b[31mbroke"),))
    assert plain_lines(stopped) == ["failed   a (own)  it [31mbroke"]
    assert conclusion(stopped).startswith("not running: resume")


def test_on_a_terminal_the_table_stays_and_events_are_lines(workshop: Any) -> None:
    file = io.StringIO()
    run_pipeline(workshop.diamond(), workshop.run, reporter=ConsoleReporter(Console(file=file, force_terminal=True, width=100)))
    text = file.getvalue()
    assert "stage a: starts" in text
    assert "\x1b[" in text
    assert text.count("done") > 4
    assert text.rfind("waiting") < text.rfind("done"), "the last table has nothing that waits"


def test_without_a_terminal_events_are_lines_alone(workshop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        run_pipeline(workshop.diamond(), workshop.run, last="a", reporter=ConsoleReporter())
    assert capsys.readouterr().out.splitlines() == ["stage a: starts", "stage a: done in 0s", "stage a: done before"]
