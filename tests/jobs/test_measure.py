"""The stage that measures a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from dunwu.config.load import load_config
from dunwu.config.pipeline import EvaluateConfig
from dunwu.jobs.measure import run_measure, set_names
from dunwu.pipeline.cost import evaluation_tokens
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
    assert sorted(path.name for path in outs[0].iterdir()) == ["dataset-2.parquet", "dataset.parquet", "summary.json"]
    summary = json.loads((outs[0] / "summary.json").read_text(encoding="utf-8"))
    assert summary["dataset"]["problems"] == 5
    assert summary["dataset"] == summary["dataset-2"]
    usage = describe(config).usage(outs[0], outs[0])
    assert usage.generated_tokens == evaluation_tokens(outs[0].glob("*.parquet")) > 10
    assert usage.flops == 2 * usage.parameters * usage.generated_tokens > 0


def test_a_kind_that_occurs_again_is_numbered() -> None:
    config = load_config(EvaluateConfig, None, ["evaluations=[{}, {task: {kind: game24}}, {}]"])
    assert set_names(config.evaluations) == ["countdown", "game24", "countdown-2"]
