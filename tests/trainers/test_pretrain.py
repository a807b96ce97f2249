"""Pre-training: the stream, the schedule, the guard, and bit-equal resumption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.data.tiny_world.corpus import DEFAULT_WEIGHTS, document
from dunwu.errors import Interrupted, TrainingError
from dunwu.run.directory import RunDirectory
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.pretrain import CHUNK, Corpus, learning_rate
from tests.recorder import Recorder

ConfigOf = Callable[..., Any]
NewPretrainer = Callable[..., Any]


@pytest.fixture
def train(train_until: Callable[..., Path], new_pretrainer: NewPretrainer) -> Callable[..., Path]:
    """``train(path, config, resume=False, stop=0)``: the final checkpoint."""

    def do(path: Path, config: Any, resume: bool = False, stop: int = 0, reporter: Reporter = QUIET) -> Path:
        with RunDirectory.create(path, "pretrain", config.model_dump(mode="json"), config.seed, resume, reporter=reporter) as run:
            trainer = new_pretrainer(config)
            return train_until(run, trainer, config, trainer.steps, stop)

    return do


def weights_of(model: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_the_rate_warms_up_and_falls_to_its_minimum(pretrain_config: ConfigOf) -> None:
    config = pretrain_config("max_learning_rate=1", "learning_rate=1.0", "min_learning_rate=0.2")
    assert [learning_rate(config, step, 6) for step in (1, 2, 4, 6)] == pytest.approx([0.5, 1.0, 0.6, 0.2])
    assert learning_rate(
        pretrain_config("warmup_steps=0", "max_learning_rate=1", "learning_rate=1.0", "min_learning_rate=0.0"), 3, 6
    ) == pytest.approx(0.5)


def test_the_worker_writes_the_documents_of_the_corpus() -> None:
    with Corpus(3, DEFAULT_WEIGHTS) as corpus:
        for index in (CHUNK - 1, CHUNK, 5 * CHUNK + 7, 0):  # forwards, far ahead, and back
            assert corpus.take(index) == document(index, 3)[1]


def test_it_learns_what_the_documents_look_like(pretrain_config: ConfigOf, new_pretrainer: NewPretrainer) -> None:
    trainer = new_pretrainer(pretrain_config("tokens=18000", "learning_rate=1e-2"))
    first = trainer.held_out_loss()
    for step in range(1, 31):
        trainer.step(step)
    assert trainer.held_out_loss() < first - 2.0


def test_the_token_budget_changes_nothing(pretrain_config: ConfigOf, new_pretrainer: NewPretrainer) -> None:
    found = []
    for budget in (10_000, 1):
        trainer = new_pretrainer(pretrain_config(f"micro_batch_tokens={budget}"))
        metrics = trainer.step(1)
        found.append((metrics["loss"], metrics["grad_norm"]))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_fewer_tokens_than_a_batch_is_one_step(pretrain_config: ConfigOf, new_pretrainer: NewPretrainer) -> None:
    assert new_pretrainer(pretrain_config("tokens=10")).steps == 1


def test_stopped_and_resumed_is_uninterrupted(
    pretrain_config: ConfigOf,
    train: Callable[..., Path],
    same_files: Callable[[Path, Path], None],
    timeless: Callable[[Path], Any],
    tmp_path: Path,
    recorder: Recorder,
) -> None:
    config = pretrain_config()
    whole = train(tmp_path / "whole", config)
    with pytest.raises(Interrupted, match="after step 5 of 6"):
        train(tmp_path / "run", config, stop=5)
    resumed = train(tmp_path / "run", config, resume=True)
    same_files(whole, resumed)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")

    victim = tmp_path / "run" / "checkpoints" / "step-000006" / "model.safetensors"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1  # one flipped bit
    victim.write_bytes(data)
    again = train(tmp_path / "run", config, resume=True, reporter=recorder)
    skipped = recorder.of("warn")[0]
    assert "step-000006" in skipped
    assert "model.safetensors" in skipped
    same_files(whole, again)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")


def test_one_seed_is_one_model(pretrain_config: ConfigOf, train: Callable[..., Path], tmp_path: Path) -> None:
    found = []
    for place, seed in enumerate((1, 1, 2)):
        config = pretrain_config(f"seed={seed}", "tokens=1200")
        final = train(tmp_path / str(place), config)
        found.append((final / "model.safetensors").read_bytes())
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_finite_steps_change_no_bit_and_end_the_run(
    value: float, pretrain_config: ConfigOf, new_pretrainer: NewPretrainer, recorder: Recorder
) -> None:
    trainer = new_pretrainer(pretrain_config("tokens=12000"), reporter=recorder)
    trainer.step(1)
    before, place = weights_of(trainer.model), trainer.place
    moments = {name: tensor.clone() for name, tensor in trainer.optimiser.state()[0].items()}
    trainer.model.model.norm.weight.register_hook(lambda gradient: gradient * value)
    for step in (2, 3, 4, 5):
        assert trainer.step(step)["skipped"] == 1
    with pytest.raises(TrainingError, match="5 steps in a row were not finite"):
        trainer.step(6)
    assert all(map(torch.equal, before, weights_of(trainer.model)))
    assert moments
    assert all(torch.equal(tensor, moments[name]) for name, tensor in trainer.optimiser.state()[0].items())
    assert f"documents {place} to " in recorder.of("warn")[0]
