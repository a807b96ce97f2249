"""The run directory: identity, lock, metrics under kills and full disks, resume."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from dunwu.errors import RunError
from dunwu.run import directory as run_directory
from dunwu.run.atomic import WRITING
from dunwu.run.directory import (
    RunDirectory,
    code_version,
    config_hash,
    content_hash,
    read_manifest,
    read_metrics,
)
from dunwu.run.identity import first_difference
from dunwu.run.tables import write_rollouts

CONFIG = {"grpo": {"steps": 10, "learning_rate": 1e-6}, "tasks": [{"kind": "countdown", "levels": [1, 2]}], "device": "cpu", "名": "顿悟"}


def create(path: Path, resume: bool = False, kind: str = "zero", config: dict = CONFIG, seed: int = 0, **options) -> RunDirectory:
    return RunDirectory.create(path, kind, config, seed, resume, **options)


def changed(**grpo) -> dict:
    return CONFIG | {"grpo": CONFIG["grpo"] | grpo}


def test_a_new_run_writes_its_config_and_manifest(tmp_path):
    with create(tmp_path / "a" / "run", seed=7, inputs={"model": "ab12"}) as run:
        assert not run.resumed
        assert not run.finished
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == CONFIG
    manifest = read_manifest(run.path)
    assert manifest["kind"] == "zero"
    assert manifest["seed"] == 7
    assert manifest["inputs"] == {"model": "ab12"}
    assert manifest["config_hash"] == config_hash(CONFIG)
    assert manifest["code_version"] == code_version()
    assert manifest["environment"].keys() == {"python", "torch", "platform", "host", "cpu_count", "isa"}
    assert manifest["finished"] is None


def test_finish_records_output_hashes_and_cost_and_the_run_can_be_opened_again(tmp_path):
    output = tmp_path / "weights"
    output.write_bytes(b"abc")
    with create(tmp_path / "run") as run:
        run.finish({"model": output})
        assert run.finished
    manifest = read_manifest(run.path)
    assert manifest["outputs"] == {"model": hashlib.sha256(b"abc").hexdigest()}
    assert manifest["cost_seconds"] >= 0
    with create(run.path, resume=True) as again:
        assert again.resumed
        assert again.finished


def test_an_existing_run_is_not_overwritten(tmp_path):
    create(tmp_path / "run").close()
    with pytest.raises(RunError, match=r"exists: resume it"):
        create(tmp_path / "run")


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["thesis.tex", "config.yaml"])
def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(tmp_path, resume, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match="not empty and not a run"):
        create(tmp_path, resume)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="choose another"):
            create(path)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_killed_at_its_birth_begins_anew(tmp_path, resume):
    (tmp_path / "lock").write_text("pid 1 on host x\n")
    (tmp_path / "config.yaml").write_text("half: ")
    with create(tmp_path, resume) as run:
        assert not run.resumed
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG


def test_resume_of_nothing_begins(tmp_path):
    with create(tmp_path / "run", resume=True) as run:
        assert not run.resumed


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (changed(learning_rate=2e-6), "grpo.learning_rate = 1e-06, not 2e-06"),
        (CONFIG | {"tasks": [{"kind": "countdown", "levels": [1, 3]}]}, "tasks.0.levels.1 = 2, not 3"),
        (CONFIG | {"tasks": []}, "tasks.0 = "),
        (changed(beta=0.1), "grpo.beta = '(absent)', not 0.1"),
        (changed(steps=True), "grpo.steps = 10, not True"),
    ],
)
def test_resume_with_another_config_names_the_first_key_and_both_values(tmp_path, config, words):
    create(tmp_path / "run").close()
    with pytest.raises(RunError) as caught:
        create(tmp_path / "run", resume=True, config=config)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_resume_of_another_kind_seed_or_input_is_refused(tmp_path):
    create(tmp_path / "run", inputs={"model": "a"}).close()
    same = {"resume": True, "inputs": {"model": "a"}}
    with pytest.raises(RunError, match="kind = 'zero', not 'pretrain'"):
        create(tmp_path / "run", **same | {"kind": "pretrain"})
    with pytest.raises(RunError, match="seed = 0, not 1"):
        create(tmp_path / "run", **same | {"seed": 1})
    with pytest.raises(RunError, match=r"inputs\.model = 'a', not 'b'"):
        create(tmp_path / "run", **same | {"inputs": {"model": "b"}})
    create(tmp_path / "run", **same).close()


def test_the_order_of_keys_and_tuples_for_lists_make_no_other_config(tmp_path):
    create(tmp_path / "run").close()
    other = dict(reversed(CONFIG.items())) | {"tasks": ({"levels": (1, 2), "kind": "countdown"},)}
    create(tmp_path / "run", resume=True, config=other).close()


def test_a_damaged_manifest_is_refused(tmp_path):
    create(tmp_path / "run").close()
    manifest = tmp_path / "run" / "manifest.json"
    text = manifest.read_text()
    for damaged in ("", "[]", "{}", text.replace('"steps": 10', '"steps": 11'), text[:-5]):
        manifest.write_text(damaged)
        with pytest.raises(RunError, match=r"manifest\.json is corrupt"):
            create(tmp_path / "run", resume=True)
    with pytest.raises(RunError, match="is not a run"):
        read_manifest(tmp_path)


def test_first_difference():
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) is None
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ("a.1.b", 2, 3)
    assert first_difference({"a": 1}, {"a": 1, "c": None}) == ("c", "(absent)", None)
    assert first_difference({"a": 1}, {"a": {"b": 1}}) == ("a", 1, {"b": 1})
    assert first_difference({"a": 1, "b": 1}, {"b": 2, "a": 2}) == ("a", 1, 2)


def test_content_hash_sees_names_and_contents(tmp_path):
    for name, inner, content in [("a", "x", b"1"), ("b", "x", b"1"), ("c", "y", b"1"), ("d", "x", b"2")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / inner).write_bytes(content)
    a, b, c, d = (content_hash(tmp_path / name) for name in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


# The lock


HOLDER = """
import os, sys, time
from pathlib import Path
from dunwu.run.directory import RunDirectory
run = RunDirectory.create(Path(sys.argv[1]), "zero", {}, 0, resume=True)
if sys.argv[2] == "fork" and os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(30)
    os._exit(0)
if sys.argv[2] == "hold":
    print(os.getpid(), flush=True)
time.sleep(30)
"""


def start_holder(path: Path, mode: str) -> tuple[subprocess.Popen[str], int]:
    """A process that holds the run; also the pid that it printed (its own, or that of its forked worker)."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), mode], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_the_second_trainer_refuses_with_pid_and_host_and_the_lock_dies_with_the_first(tmp_path):
    process, pid = start_holder(tmp_path / "run", "hold")
    try:
        for resume in (False, True):
            with pytest.raises(RunError, match=f"in use by another trainer .pid {pid} on host {run_directory.socket.gethostname()}"):
                create(tmp_path / "run", resume, config={})
    finally:
        kill(process)
    with create(tmp_path / "run", resume=True, config={}) as run:
        assert run.resumed


def test_a_worker_that_outlives_its_trainer_does_not_hold_the_lock(tmp_path):
    process, worker = start_holder(tmp_path / "run", "fork")
    try:
        kill(process)
        os.kill(worker, 0)
        create(tmp_path / "run", resume=True, config={}).close()
    finally:
        os.kill(worker, 9)


def test_a_refused_create_gives_the_lock_back(tmp_path):
    create(tmp_path / "run").close()
    for _ in range(2):
        with pytest.raises(RunError, match="--resume"):
            create(tmp_path / "run")
    run = create(tmp_path / "run", resume=True)
    with pytest.raises(RunError, match="in use"):
        create(tmp_path / "run", resume=True)
    run.close()
    run.close()
    create(tmp_path / "run", resume=True).close()


def test_leftovers_of_a_killed_trainer_are_removed_on_resume_only_under_the_lock(tmp_path):
    run = create(tmp_path / "run")
    half = run.checkpoints / "step-000001.k3_x9z0a.tmp"
    half.mkdir(parents=True)
    (half / WRITING).touch()
    with pytest.raises(RunError, match="in use"):
        create(run.path, resume=True)
    assert half.exists()
    run.close()
    with pytest.raises(RunError, match="steps"):
        create(run.path, resume=True, config=changed(steps=20))
    assert half.exists()
    create(run.path, resume=True).close()
    assert not half.exists()


def test_a_refused_or_accepted_resume_deletes_nothing_of_the_users(tmp_path):
    run = create(tmp_path / "run")
    run.close()
    letters = [run.path / name / "letter" for name in ("checkpoints/step-00009.tmp", "rollouts/step-000009.tmp", "model.tmp", "data.tmp")]
    for letter in letters:
        letter.parent.mkdir(parents=True)
        letter.write_text("Dear")
    for config in (changed(steps=20), CONFIG):
        with suppress(RunError):
            create(run.path, resume=True, config=config).close()
        assert [letter.read_text() for letter in letters] == ["Dear"] * len(letters)


def test_a_rewind_deletes_the_rollouts_of_the_run_and_no_other_file(tmp_path):
    with create(tmp_path / "run") as run:
        write_rollouts(run.rollouts_path(1), [], [], 1, [])
        write_rollouts(run.rollouts_path(2), [], [], 2, [])
        run.rollouts_path(3).write_text("mine")
        run.rewind(1)
    assert sorted(path.name for path in (run.path / "rollouts").iterdir()) == ["step-00001.parquet", "step-00003.parquet.old"]


def test_a_folder_with_a_lock_of_another_program_is_not_a_run(tmp_path):
    (tmp_path / "lock").write_text("held by my own program")
    with pytest.raises(RunError, match="not a run"):
        create(tmp_path)
    assert (tmp_path / "lock").read_text() == "held by my own program"


def test_a_run_killed_at_its_start_starts_again(tmp_path):
    (tmp_path / "lock").write_text("pid 7 on host box.example\n")
    (tmp_path / "config.yaml.k3_x9z0a.tmp").mkdir()
    (tmp_path / "manifest.json.k3_x9z0b.tmp").mkdir()
    (tmp_path / "manifest.json.k3_x9z0b.tmp" / WRITING).touch()
    with create(tmp_path) as run:
        assert not run.resumed


def test_time_of_a_killed_start_is_taken_from_its_last_row(tmp_path):
    run = create(tmp_path / "run")
    run.log(1, {})
    began = run_directory.datetime.fromisoformat(run.manifest["starts"][0]["started"]).timestamp()
    (run.path / "metrics.jsonl").write_text(json.dumps({"step": 1, "time": began + 40}) + "\n")
    run_directory._release_lock(run._lock)  # as a kill does: nothing is recorded
    with create(run.path, resume=True) as again:
        pass
    assert again.manifest["starts"][0]["seconds"] == pytest.approx(40, abs=0.1)
    assert read_manifest(run.path)["cost_seconds"] == pytest.approx(40, abs=5)


# Metrics


def rows_without_time(path: Path) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "time"} for row in read_metrics(path)]


def test_resumed_metrics_equal_uninterrupted_ones_apart_from_time(tmp_path):
    with create(tmp_path / "whole") as whole:
        for step in range(1, 7):
            whole.log(step, {"loss": 1 / step, "note": "顿悟"})
    with create(tmp_path / "cut") as cut:
        for step in range(1, 6):
            cut.log(step, {"loss": 1 / step, "note": "顿悟"})
        with (cut.path / "metrics.jsonl").open("ab") as file:
            file.write(b'{"step": 6, "lo')
    time.sleep(0.01)
    with create(tmp_path / "cut", resume=True) as cut:
        cut.rewind(3)
        for step in range(4, 7):
            cut.log(step, {"loss": 1 / step, "note": "顿悟"})
    assert rows_without_time(cut.path) == rows_without_time(whole.path)
    assert [row["step"] for row in read_metrics(cut.path)] == [1, 2, 3, 4, 5, 6]


def test_rewind_without_a_checkpoint_drops_everything_also_step_0(tmp_path):
    with create(tmp_path / "run") as run:
        run.rewind(None)
        run.log(0, {"a": 1.0})
        run.log(1, {"a": 1.0})
        run.rewind(0)
        assert rows_without_time(run.path) == [{"step": 0, "a": 1.0}]
        run.rewind(None)
        assert read_metrics(run.path) == []


def test_rewind_drops_later_rollouts(tmp_path):
    with create(tmp_path / "run") as run:
        run.rollouts_path(1).parent.mkdir()
        assert run.rollouts_path(10) == run.path / "rollouts" / "step-00010.parquet"
        for step in (10, 20, 100_000):
            write_rollouts(run.rollouts_path(step), [], [], step, [])
        (run.path / "rollouts" / "mine.parquet").write_bytes(b"x")
        run.rewind(10)
    assert sorted(path.name for path in (run.path / "rollouts").iterdir()) == ["mine.parquet", "step-00010.parquet"]


def test_a_resumed_run_must_be_rewound_before_it_logs(tmp_path):
    create(tmp_path / "run").close()
    with create(tmp_path / "run", resume=True) as run, pytest.raises(AssertionError, match="rewind"):
        run.log(1, {})


def test_rows_are_strict_json(tmp_path):
    with create(tmp_path / "run") as run:
        run.log(1, {"nan": float("nan"), "inf": float("-inf"), "text": "a\nb", "none": None, "yes": True})
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 1
    row = json.loads(lines[0], parse_constant=lambda name: pytest.fail(name))
    assert row | {"time": 0} == {"step": 1, "time": 0, "nan": None, "inf": None, "text": "a\nb", "none": None, "yes": True}


def test_damage_within_the_metrics_is_told_not_dropped(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl line 2 is corrupt"):
        read_metrics(tmp_path)


def full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_disk_full_in_log_leaves_whole_rows_and_one_clear_message(tmp_path, monkeypatch):
    with create(tmp_path / "run") as run:
        run.log(1, {"a": 1.0})
        before = (run.path / "metrics.jsonl").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(run_directory.os, "fsync", full_disk)
            with pytest.raises(RunError, match=r"disk full while writing .*metrics\.jsonl.*last valid checkpoint is safe"):
                run.log(2, {"a": 1.0})
        assert (run.path / "metrics.jsonl").read_bytes() == before
        run.log(2, {"a": 1.0})
    assert [row["step"] for row in read_metrics(run.path)] == [1, 2]


def test_disk_full_in_rewind_keeps_all_rows(tmp_path, monkeypatch):
    with create(tmp_path / "run") as run:
        run.log(1, {})
        run.log(2, {})
        with monkeypatch.context() as patch:
            patch.setattr(run_directory.os, "fsync", full_disk)
            with pytest.raises(RunError, match="disk full"):
                run.rewind(1)
        assert len(read_metrics(run.path)) == 2
    assert not list(run.path.glob("*.tmp"))


def test_the_code_version_begins_with_the_package_version():
    assert code_version().startswith(run_directory.VERSION)


def test_a_changed_input_is_named_by_its_files(tmp_path):
    first = {"inputs": {"data": "h1"}, "files": {"data": {"a.jsonl": "1", "b.jsonl": "2"}}}
    create(tmp_path / "run", **first).close()
    create(tmp_path / "run", resume=True, **first).close()
    for files, named in (
        ({"a.jsonl": "1", "b.jsonl": "3"}, ["b.jsonl"]),
        ({"a.jsonl": "1"}, ["b.jsonl"]),
        ({"a.jsonl": "1", "b.jsonl": "2", "c.jsonl": "4"}, ["c.jsonl"]),
        ({"a.jsonl": "1", "b.jsonl": "2"}, ["a.jsonl", "b.jsonl"]),
    ):
        with pytest.raises(RunError) as caught:
            create(tmp_path / "run", resume=True, inputs={"data": "h2"}, files={"data": files})
        assert [name for name in ("a.jsonl", "b.jsonl", "c.jsonl") if name in str(caught.value)] == named
