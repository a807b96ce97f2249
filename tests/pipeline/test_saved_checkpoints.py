"""The checkpoints that a run or a pipeline has kept, and the FLOPs before each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dunwu.errors import RunError
from dunwu.models.bundled import bundled_path
from dunwu.pipeline.saved_checkpoints import saved_checkpoints
from dunwu.run.step_manifest import write_step_manifest
from dunwu.run.usage import count_parameters
from tests.recorder import Recorder

WEIGHTS = count_parameters(bundled_path())


def make_run(folder: Path, model: str, steps: tuple[int, ...], kind: str = "sft") -> Path:
    """A run of ten tokens a step, with a checkpoint of the bundled model at each of ``steps``."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"model: {model}\ntemplate: r1-zero\n")
    (folder / "manifest.json").write_text(json.dumps({"kind": kind, "config": {}}))
    rows = [json.dumps({"step": step, "num_tokens": 10}) for step in range(1, max(steps) + 1)]
    (folder / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    for step in steps:
        made = shutil.copytree(bundled_path(), folder / "checkpoints" / f"step-{step:06d}")
        write_step_manifest(made, step, {})
    return folder


def test_a_run_has_its_start_and_its_checkpoints_with_the_flops_before_them(tmp_path: Path) -> None:
    found = saved_checkpoints(make_run(tmp_path / "run", "tiny", (2, 4)))
    assert [(each.line, each.name, each.flops / WEIGHTS, each.template) for each in found] == [
        ("run", "start", 0, "r1-zero"),
        ("run", "step 2", 6 * 20, "r1-zero"),
        ("run", "step 4", 6 * 40, "r1-zero"),
    ]
    assert found[0].model == "tiny"


def test_a_corrupt_checkpoint_is_left_out_with_a_warning(tmp_path: Path) -> None:
    run, reporter = make_run(tmp_path / "run", "tiny", (2, 4)), Recorder()
    (run / "checkpoints" / "step-000002" / "config.json").write_text("{}")
    assert [each.name for each in saved_checkpoints(run, reporter)] == ["start", "step 4"]
    assert any(kind == "warn" and "step-000002" in line for kind, line in reporter.events)


def test_the_stages_of_a_pipeline_go_on_from_each_others_flops(tmp_path: Path) -> None:
    first = make_run(tmp_path / "stages" / "first" / ("a" * 16) / "run", "tiny", (3,))
    make_run(tmp_path / "stages" / "second" / ("b" * 16) / "run", str(first / "checkpoints" / "step-000003"), (2,))
    make_run(tmp_path / "stages" / "judge" / ("c" * 16) / "run", "tiny", (1,), "reward-model")
    make_run(tmp_path / "stages" / "second" / ("d" * 16) / "run", "tiny", (1,))  # of an earlier recipe
    (tmp_path / "recipe.yaml").write_text("name: p\n")
    names = {"first": "a" * 64, "second": "b" * 64, "judge": "c" * 64}
    (tmp_path / "progress.json").write_text(json.dumps({name: {"state": "done", "identity": each} for name, each in names.items()}))
    assert [(each.line, each.name, each.flops / WEIGHTS) for each in saved_checkpoints(tmp_path)] == [
        ("first", "start", 0),
        ("first", "step 3", 180),
        ("second", "start", 180),
        ("second", "step 2", 300),
    ]


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        saved_checkpoints(tmp_path)
