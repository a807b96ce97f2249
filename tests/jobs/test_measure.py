"""The stage that measures a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dunwu.config.load import load_config
from dunwu.config.pipeline import EvaluateConfig
from dunwu.evaluation.store import evaluation_tokens
from dunwu.jobs.measure import run_measure, set_names
from dunwu.pipeline.stages import describe


def test_the_files_depend_on_the_model_alone_and_not_on_where_it_lies(
    taught_base: str, say_data: Path, tmp_path: Path, same_files: Callable[[Path, Path], None]
) -> None:
    shutil.copytree(taught_base, tmp_path / "copy")
    held_out = f"{{task: {{kind: dataset, path: {say_data}}}, problems: 5, samples: 2, sampling: {{max_tokens: 10}}}}"
    outs = []
    for model in (taught_base, str(tmp_path / "copy")):
        fixed = [f"model={model}", f"evaluations=[{held_out}, {held_out}]", "reward_workers=0", "device=cpu", "threads=1"]
        config = load_config(EvaluateConfig, None, fixed)
        outs.append(tmp_path / f"out-{len(outs)}")
        outs[-1].mkdir()
        run_measure(config, outs[-1])
    same_files(*outs)
    assert sorted(path.name for path in outs[0].iterdir()) == ["say-2.parquet", "say.parquet", "summary.json"]
    summary = json.loads((outs[0] / "summary.json").read_text(encoding="utf-8"))
    assert summary["say"]["problems"] == 5
    assert summary["say"] == summary["say-2"]
    usage = describe(config).usage(outs[0], outs[0])
    assert usage.generated_tokens == evaluation_tokens(outs[0].glob("*.parquet")) > 10
    assert usage.flops == 2 * usage.parameters * usage.generated_tokens > 0


@pytest.mark.parametrize(
    ("tasks", "names"),
    [
        ("[{}, game24, {}]", ["countdown", "game24", "countdown-2"]),
        ("[gsm8k, math, reasoning-gym:leg_counting, mbpp]", ["gsm8k", "math", "leg_counting", "mbpp"]),
        ("[someone/rows, other/rows, other/rows-2, other/rows]", ["rows", "rows-2", "rows-2-2", "rows-3"]),
        ("[{task: {kind: chat, path: x, name: ../up one}}]", ["_up_one"]),
    ],
)
def test_a_set_has_the_name_of_its_task_and_equal_names_are_numbered(tasks: str, names: list[str]) -> None:
    assert set_names(load_config(EvaluateConfig, None, [f"evaluations={tasks}"]).evaluations) == names
