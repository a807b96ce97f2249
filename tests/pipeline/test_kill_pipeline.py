"""Real processes, killed in the middle of each kind of stage and at random moments; the same command ends in the same hashes."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from dunwu.pipeline.artefacts import read_artefact
from dunwu.pipeline.journal import PROGRESS, read_journal
from dunwu.pipeline.recipe_file import read_pipeline
from dunwu.pipeline.status import read_status
from dunwu.run.usage import ARTEFACT

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"

FUNCTIONS = """
import json, time

def rows(out, files):
    '''Takes a third of a second, file by file, so that there is something to be killed in.'''
    for place in range(10):
        (out / f"part-{place}.txt").write_text("x" * 1000 * place)
        time.sleep(0.03)
    for split, wording in (("train", "Say {}."), ("validation", "Say {} then."), ("test", "Say {} now.")):
        rows = [json.dumps({"problem": wording.format(n), "answer": str(n)}) for n in range(5)]
        (out / f"{split}.jsonl").write_text("\\n".join(rows) + "\\n")

def card(out, files):
    time.sleep(0.2)
    (out / "card.txt").write_text("\\n".join(sorted(path.name for path in files["model"].iterdir())))
"""
LEARNED = """
def talk(out, files):
    rows = [json.dumps({"prompt": f"Say {n}.", "completion": f"<think>ok</think><answer>{n}</answer>"}) for n in range(40)]
    (out / "train.jsonl").write_text("\\n".join(rows) + "\\n")

def pairs(out, files):
    rows = [json.dumps({"prompt": f"Say {n}.", "chosen": f"please, {n}", "rejected": f"no, {n}"}) for n in range(120)]
    (out / "train.jsonl").write_text("\\n".join(rows) + "\\n")
"""
SUBSET = """
def subset(out, files):
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl"):
        (out / name).write_bytes((files["rows"] / name).read_bytes())
"""


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_resume_pipeline", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_resume_pipeline"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def forker() -> Iterator[Any]:
    """Forks a `dunwu` with all imports behind it."""
    script = load_script()
    jobs = ("measure", "own", "sft", "reward_model", "suite", "building")
    stages = ", ".join(["dunwu.pipeline.execute", "dunwu.pipeline.live", *(f"dunwu.jobs.{job}" for job in jobs)])
    script.FORKS = f"import {stages}\n{script.FORKS}"
    with script.forks() as made:
        yield made


@pytest.fixture
def recipe(taught_base: str, tmp_path: Path) -> Path:
    """A stage of each kind, two seconds of work: a folder from outside, functions, reinforcement learning, an evaluation."""
    (tmp_path / "functions.py").write_text(FUNCTIONS + SUBSET + LEARNED, encoding="utf-8")
    data = {"kind": "dataset"}
    zero = {
        "work": "zero",
        "inputs": {"model": "base", "tasks.0.task.path": "data"},
        "tasks": [{"task": data}],
        "grpo": {"steps": 6, "prompts_per_step": 4, "group_size": 4, "learning_rate": 3e-3, "beta": 0},
        "sampling": {"max_tokens": 10},
        "evaluations": [],
        "save_every": 2,
        "sample_every": 1000,
        "reward_workers": 0,
        "device": "cpu",
        "threads": 1,
    }
    measured = {"task": data, "problems": 5, "samples": 40, "sampling": {"max_tokens": 10}}
    stages = {
        "base": {"work": "file", "path": taught_base, "holds": "model"},
        "rows": {"work": "own", "function": f"{tmp_path / 'functions.py'}:rows"},
        "data": {"work": "own", "function": f"{tmp_path / 'functions.py'}:subset", "inputs": {"files.rows": "rows"}},
        "zero": zero,
        "after": {
            "work": "evaluate",
            "inputs": {"model": "zero", "evaluations.0.task.path": "data"},
            "evaluations": [measured],
            "reward_workers": 0,
            "device": "cpu",
            "threads": 1,
        },
        "card": {"work": "own", "function": f"{tmp_path / 'functions.py'}:card", "inputs": {"files.model": "zero"}},
    }
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps({"name": "small", "stages": stages}), encoding="utf-8")  # JSON is YAML
    return path


@pytest.fixture
def long_recipe(recipe: Path) -> Path:
    """With supervised fine-tuning and a reward model behind it: five seconds of work."""
    functions = f"{recipe.with_name('functions.py')}"
    trained = {"save_every": 1, "sample_every": 1000, "device": "cpu", "threads": 1}
    data = json.loads(recipe.read_text(encoding="utf-8"))
    data["stages"] |= {
        "talk": {"work": "own", "function": f"{functions}:talk"},
        "sft": {"work": "sft", "inputs": {"model": "zero", "data": "talk"}, "batch_size": 8, "epochs": 3, **trained},
        "pairs": {"work": "own", "function": f"{functions}:pairs"},
        "helpful": {"work": "reward_model", "inputs": {"model": "sft", "data": "pairs"}, "balance_lengths": False, **trained},
    }
    path = recipe.with_name("long.yaml")
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def hashes(run: Path) -> dict[str, str]:
    """Output hash by stage, of artefacts that are whole to the last bit."""
    found = {stage.path for stage in read_status(run).stages}
    assert None not in found
    made = {}
    for manifest in (run / "stages").glob(f"*/*/{ARTEFACT}"):
        artefact = read_artefact(manifest.parent)
        assert artefact is not None
        artefact.verify()
        made[artefact.stage] = artefact.hash
    return made


def run_to_end(forker: Any, command: Sequence[str], run: Path) -> None:
    forker.start([*command, "--out", str(run)], run.parent / "log")
    assert forker.wait() == 0, (run.parent / "log").read_text()


def kill(forker: Any, command: Sequence[str], run: Path, moment: Any) -> bool:
    """Start, wait until ``moment()`` or the end, and kill; whether it came to the kill. Nothing is left running."""
    pid = forker.start([*command, "--out", str(run)], run.parent / "log")
    process = psutil.Process(pid)
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and not moment():
        time.sleep(0.001)
    try:
        children = process.children(recursive=True)
        os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        children = []
    code = forker.wait()
    assert code in (0, -signal.SIGKILL), (run.parent / "log").read_text()
    assert psutil.wait_procs(children, 10)[1] == []
    return bool(code)


def running(run: Path, stage: str) -> bool:
    return (run / PROGRESS).exists() and stage in (entries := read_journal(run)) and entries[stage].state == "running"


class After:
    """True ``delay`` seconds after ``condition`` was first true."""

    def __init__(self, delay: float, condition: Any = lambda: True) -> None:
        self._delay, self._condition, self._since = delay, condition, 0.0

    def __call__(self) -> bool:
        if not self._since and self._condition():
            self._since = time.monotonic()
        return bool(self._since) and time.monotonic() - self._since >= self._delay


def test_killed_inside_each_kind_of_stage_it_ends_in_the_same_hashes(forker: Any, recipe: Path, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    run_to_end(forker, ["run", str(recipe)], whole)
    finished: dict[str, int] = {}
    for stage, delay in (("rows", 0.1), ("zero", 0.15), ("after", 0.02)):
        killed = kill(forker, ["run", str(recipe)], run, After(delay, lambda stage=stage: running(run, stage)))
        assert killed, f"{stage} was too fast to be killed"
        now = {str(path): path.stat().st_mtime_ns for path in (run / "stages").glob(f"*/*/{ARTEFACT}") if path.parts[-3] != "base"}
        assert finished.items() <= now.items(), "a finished stage was done again"
        finished = now
    run_to_end(forker, ["run", str(recipe)], run)
    assert hashes(run) == hashes(whole)
    assert read_status(run).done


def test_a_run_that_was_moved_goes_on_where_it_was(forker: Any, recipe: Path, tmp_path: Path) -> None:
    command = ["run", str(recipe)]
    assert kill(forker, command, tmp_path / "run", lambda: any((tmp_path / "run").glob("stages/zero/*/run/metrics.jsonl")))
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    run_to_end(forker, command, moved)
    (manifest,) = moved.glob("stages/zero/*/run/manifest.json")
    assert len(json.loads(manifest.read_bytes())["starts"]) == 2
    assert str(moved) in (manifest.parent / "config.yaml").read_text(encoding="utf-8")
    assert read_status(moved).done


@pytest.mark.slow
def test_thirty_kills_at_random_moments(forker: Any, long_recipe: Path, tmp_path: Path) -> None:
    whole, rng, kills, runs = tmp_path / "whole", random.Random(3), Counter[str](), 0
    began = time.monotonic()
    run_to_end(forker, ["run", str(long_recipe)], whole)
    longest = time.monotonic() - began
    kinds = {stage.name: stage.kind for stage in read_pipeline(long_recipe).stages}
    while kills.total() < 30 or not {"own", "zero", "evaluate", "sft", "reward_model"} <= kills.keys():
        run = tmp_path / f"run-{runs}"
        runs += 1
        while kill(forker, ["run", str(long_recipe)], run, After(rng.uniform(0, longest / 2))):
            inside = [name for name, entry in (read_journal(run) if run.exists() else {}).items() if entry.state == "running"]
            kills.update([kinds[name] for name in inside] or ["between"])
        assert hashes(run) == hashes(whole)
    print(f"{kills.total()} kills ({dict(kills)}), {runs} runs, {longest:.1f} s uninterrupted")


@pytest.mark.slow
def test_r1_killed_inside_each_kind_of_stage(forker: Any, few_steps: list[str], tmp_path: Path) -> None:
    """All of R1 with a few steps each: a kill in every kind of stage, more at random moments, and the same hashes in the end."""
    whole, run, rng, kills = tmp_path / "whole", tmp_path / "killed", random.Random(5), Counter[str]()
    command = ["r1", *few_steps]
    began = time.monotonic()
    run_to_end(forker, command, whole)
    longest = time.monotonic() - began
    kinds = {stage.name: stage.kind for stage in read_pipeline(whole / "recipe.yaml").stages}
    firsts = [stage for place, (stage, kind) in enumerate(kinds.items()) if kind not in list(kinds.values())[:place]]
    for stage in firsts:
        if kill(forker, command, run, After(rng.uniform(0.0, 0.1), lambda stage=stage: running(run, stage))):
            kills.update(kinds[name] for name, entry in read_journal(run).items() if entry.state == "running")
    run_to_end(forker, command, run)
    assert hashes(run) == hashes(whole)
    at_random = tmp_path / "at-random"
    while kill(forker, command, at_random, After(rng.uniform(0, longest / 3))):
        inside = [name for name, entry in (read_journal(at_random) if at_random.exists() else {}).items() if entry.state == "running"]
        kills.update([kinds[name] for name in inside] or ["between"])
    assert hashes(at_random) == hashes(whole)
    assert kills.total() >= 10
    assert {"zero", "sft", "reward_model", "cold_start", "rejection_sampling", "suite"} <= kills.keys()
    print(f"{kills.total()} kills ({dict(kills)}), {longest:.1f} s uninterrupted")


def test_a_killed_run_is_told_as_stopped_and_ctrl_c_says_next_commands(forker: Any, recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    argv = ["run", str(recipe), "--out", str(run), "zero.grpo.steps=10000", "zero.save_every=10000"]
    pid = forker.start(argv, tmp_path / "log")
    began = time.monotonic()
    metrics = [*((run / "stages" / "zero").glob("*/run/metrics.jsonl"))]
    while not metrics or metrics[0].read_bytes().count(b"\n") < 3:
        assert time.monotonic() - began < 60, (tmp_path / "log").read_text()
        time.sleep(0.01)
        metrics = [*((run / "stages" / "zero").glob("*/run/metrics.jsonl"))]
    status = {stage.name: stage for stage in read_status(run).stages}
    assert read_status(run).pid == pid
    assert {name: stage.state for name, stage in status.items()} == {
        "base": "done",
        "rows": "done",
        "data": "done",
        "zero": "running",
        "after": "waiting",
        "card": "waiting",
    }
    assert (status["zero"].step or 0) >= 3
    assert (status["zero"].left or 0) > 1
    os.kill(pid, signal.SIGINT)
    assert forker.wait() == 128 + signal.SIGINT
    said = (tmp_path / "log").read_text()
    assert "which is saved" in said
    assert f"to resume: dunwu run {recipe} --out {run} zero.grpo.steps=10000" in said
    assert "Traceback" not in said
    assert read_status(run).pid is None
    assert {stage.name: stage.state for stage in read_status(run).stages}["zero"] == "stopped"
    assert read_pipeline(run / "recipe.yaml")["zero"].described.steps == 10000
