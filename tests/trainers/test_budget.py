"""Training that ends with its compute: FLOPs by hand, both trainers, stopped and resumed, and budgets that are none."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.blocks import Budgeted
from dunwu.config.distill_methods import DistillationConfig
from dunwu.config.load import load_config
from dunwu.config.pretrain import ModelShape
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError, Interrupted
from dunwu.jobs.distillation import run_distillation
from dunwu.jobs.sft import run_sft
from dunwu.jobs.zero import run_zero
from dunwu.models.loading import save_model
from dunwu.models.new import new_model
from dunwu.run.checkpoint import LATEST
from dunwu.run.directory import read_manifest, read_metrics
from dunwu.run.usage import count_parameters
from dunwu.trainers.budget import Budget, run_flops
from dunwu.trainers.distill import DistillTrainer
from dunwu.trainers.grpo import GrpoTrainer

FAST = ["device=cpu", "threads=1", "sample_every=1000", "sampling.max_tokens=4"]


def stop_after(monkeypatch: pytest.MonkeyPatch, trainer: type[Any], stop: int) -> None:
    step = trainer.step

    def stopped(self: Any, number: int) -> Any:
        metrics = step(self, number)
        if number == stop:
            signal.raise_signal(signal.SIGTERM)
        return metrics

    monkeypatch.setattr(trainer, "step", stopped)


def last(run: Path) -> Path:
    return run / "checkpoints" / (run / "checkpoints" / LATEST).read_text(encoding="utf-8").strip()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Say {n}.", "completion": f"{n}!"}) + "\n" for n in range(9)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def text_run(rows: Path, taught_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine-tuning of 2 epochs of 3 updates, each saved."""
    given = [f"model={taught_base}", f"data={rows}", "batch_size=4", "epochs=2", "save_every=1", "keep_checkpoints=10", *FAST]
    return run_sft(load_config(SftConfig, None, given), tmp_path_factory.mktemp("runs") / "text")


@pytest.fixture(scope="module")
def student(world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("student")
    shape = ModelShape(hidden=16, layers=1, heads=2, kv_heads=1, intermediate=32, max_positions=256)
    save_model(new_model(shape, world_tokenizer, 3), world_tokenizer, folder)
    return folder


def test_the_flops_of_a_run_by_hand(text_run: Path, taught_base: str) -> None:
    tokens = [row["num_tokens"] for row in read_metrics(text_run)]
    parameters = count_parameters(Path(taught_base))
    assert len(tokens) == 6
    assert run_flops(str(last(text_run))) == run_flops(str(text_run)) == 6 * parameters * sum(tokens)
    assert run_flops(str(text_run / "checkpoints/step-000002")) == 6 * parameters * sum(tokens[:2])
    assert Budget(Budgeted(budget=str(text_run), budget_share=0.5), "sft", 1).flops == 3 * parameters * sum(tokens)


def test_other_stages_may_count_to_a_budget(text_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "stage" / "run" / "data"
    rows.mkdir(parents=True)
    config = Budgeted(budget=str(text_run), budget_with={"teacher": str(rows)}, budget_share=0.5)
    with pytest.raises(ConfigError, match=r"budget_with\.teacher"):
        Budget(config, "sft", 1)
    (tmp_path / "stage" / "artefact.json").write_text(json.dumps({"cost": {"flops": 1000, "teacher_flops": 24}}), encoding="utf-8")
    assert Budget(config, "sft", 1).flops == run_flops(str(text_run)) // 2 + 512


def zero_flops(run: Path, checkpoint: Path) -> list[int]:
    """By step: sampled once, trained in two passes."""
    return [count_parameters(checkpoint) * row["num_tokens"] * (2 + 2 * 6) for row in read_metrics(run)]


def test_rl_ends_with_its_budget_stopped_or_not(
    text_run: Path, zero_config: Callable[..., ZeroConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeless: Callable[[Path], Any]
) -> None:
    more = ["grpo.steps=1000", "grpo.inner_epochs=2", "evaluate_every=2", "budget_share=8.0"]
    config = zero_config(f"budget={last(text_run)}", *more)
    whole = run_zero(config, tmp_path / "whole")
    flops, budget = zero_flops(whole, last(whole)), 8 * run_flops(str(text_run))
    steps = len(flops)
    assert 2 < steps < 1000
    assert sum(flops[:-1]) < budget <= sum(flops)
    assert last(whole).name == f"step-{steps:06d}"
    assert read_manifest(whole)["steps"] == steps
    assert read_manifest(whole)["finished"]
    [curve] = json.loads((whole / "evaluations/curve.json").read_text()).values()
    assert curve[-1]["step"] == steps
    for stop in (2, steps):  # half-way, and after the last step but before the end
        with monkeypatch.context() as patch:
            stop_after(patch, GrpoTrainer, stop)
            with pytest.raises(Interrupted):
                run_zero(config, tmp_path / f"stopped-{stop}")
        run = run_zero(config, tmp_path / f"stopped-{stop}", resume=True)
        assert timeless(run) == timeless(whole)
        assert (last(run) / "model.safetensors").read_bytes() == (last(whole) / "model.safetensors").read_bytes()
    run_zero(config, whole, resume=True)
    assert len(read_metrics(whole)) == steps


def test_distillation_ends_with_its_budget_stopped_or_not(
    text_run: Path, student: Path, taught_base: str, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [f"model={student}", f"teacher={taught_base}", f"data={rows}", f"validation={rows}", "batch_size=4", "epochs=50", *FAST]
    share = ["method={kind: on-policy, sampling: {max_tokens: 4}}", f"budget={text_run}", "budget_share=1.0"]
    config = load_config(DistillationConfig, None, [*given, *share])
    whole = run_distillation(config, tmp_path / "whole")
    metrics, parameters = read_metrics(whole), count_parameters(student)
    flops = [parameters * (6 * row["num_tokens"] + 2 * row["sampled_tokens"]) for row in metrics]
    budget = run_flops(str(text_run))
    assert sum(flops[:-1]) < budget <= sum(flops)
    assert 4 < len(metrics) < 150
    assert last(whole).name == f"step-{len(metrics):06d}"
    assert "eval_loss" in metrics[-1]
    rates = [row["learning_rate"] for row in metrics]
    assert rates[-1] < 0.2 * rates[0]  # the decay follows the budget, not the epochs
    for stop in (3, len(metrics)):
        with monkeypatch.context() as patch:
            stop_after(patch, DistillTrainer, stop)
            with pytest.raises(Interrupted):
                run_distillation(config, tmp_path / f"stopped-{stop}")
        run = run_distillation(config, tmp_path / f"stopped-{stop}", resume=True)
        assert (last(run) / "model.safetensors").read_bytes() == (last(whole) / "model.safetensors").read_bytes()
        assert read_manifest(run)["finished"]


def test_what_is_no_budget(zero_config: Callable[..., ZeroConfig], taught_base: str, tmp_path: Path) -> None:
    for name in (taught_base, str(tmp_path / "nowhere"), "tiny"):
        with pytest.raises(ConfigError) as caught:
            run_zero(zero_config(f"budget={name}"), tmp_path / "run")
        assert name in str(caught.value)
        assert not (tmp_path / "run").exists()


def test_steps_that_do_not_suffice_are_said(text_run: Path, zero_config: Callable[..., ZeroConfig], tmp_path: Path, recorder: Any) -> None:
    run = run_zero(
        zero_config(f"budget={text_run}", "budget_share=99.0", "evaluations=[]", "grpo.steps=2"), tmp_path / "run", reporter=recorder
    )
    assert len(read_metrics(run)) == 2
    assert [text for text in recorder.of("warn") if "budget" in text]
