"""The SFT trainer: its loss, its order of the data, its schedule, its guard, and bit-equal resumption."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from dunwu.config.load import load_config
from dunwu.config.sft import R1_SFT, SftConfig
from dunwu.data.io.chat_examples import Counts, ExampleReader
from dunwu.errors import Interrupted, TrainingError
from dunwu.models.chat import training_template
from dunwu.models.loading import load_model, save_model
from dunwu.models.lora import add_lora
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.directory import RunDirectory
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.sft import SftTrainer, learning_rate
from tests.recorder import Recorder

OpenSft = Callable[..., AbstractContextManager[Any]]
LORA = "lora={rank: 4}"


@pytest.fixture(scope="module")
def base(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("base")
    save_model(new_policy(4), world_tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten conversations, of one turn or two, of unequal length."""
    path: Path = tmp_path_factory.mktemp("talks") / "rows.jsonl"
    rows = []
    for n in range(10):
        turns = [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"{n} " * (1 + n % 4) + "."}]
        rows.append(json.dumps({"messages": turns + (turns if n % 3 == 0 else [])}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sft_config(base: Path, talks: Path) -> Callable[..., SftConfig]:
    """``sft_config("epochs=1", ...)``: 2 epochs of 3 updates in float32."""
    fixed = [f"model={base}", f"data={talks}", "batch_size=4", "learning_rate=1e-2", "matmul_precision=float32", "device=cpu", "threads=1"]
    often = ["save_every=2", "evaluate_every=3", "sample_every=1000", "sampling.max_tokens=5"]
    return lambda *overrides: load_config(SftConfig, None, [*fixed, *often, *overrides])


@pytest.fixture(scope="module")
def open_sft() -> OpenSft:
    """``with open_sft(path, config) as trainer``: put together as `run_sft` does it; validated on its own data."""

    @contextmanager
    def opened(path: Path, config: SftConfig, resume: bool = False, reporter: Reporter = QUIET) -> Any:
        model, tokenizer = load_model(config.model)
        template = training_template(config.template, tokenizer)
        examples = list(ExampleReader(Path(config.data), template, tokenizer, 100, "refuse").read(Counts()))
        if config.lora is not None:
            add_lora(model, config.lora, config.seed)
        with RunDirectory.create(path, "sft", config.model_dump(mode="json"), config.seed, resume) as run:
            trainer = SftTrainer(config, model, tokenizer, TorchEngine(model, tokenizer), examples, examples[:4], reporter)
            trainer.run = run  # type: ignore[attr-defined]
            yield trainer

    return opened


def parameters(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_the_loss_is_the_cross_entropy_of_what_the_assistant_says(open_sft: OpenSft, sft_config: Any, tmp_path: Path) -> None:
    with open_sft(tmp_path / "run", sft_config()) as trainer:
        batch, total, count, hits = trainer.batch(1), 0.0, 0, 0
        with torch.no_grad():
            for one in batch:
                logits = load_model(trainer.config.model)[0](torch.from_numpy(one.ids).long()[None]).logits[0, :-1]
                learned, targets = torch.from_numpy(one.learned[1:]), torch.from_numpy(one.ids[1:]).long()
                total += cross_entropy(logits[learned], targets[learned], reduction="sum").item()
                hits += int((logits[learned].argmax(-1) == targets[learned]).sum())
                count += int(learned.sum())
        metrics = trainer.step(1)
    assert metrics["loss"] == pytest.approx(total / count, rel=1e-5)
    assert metrics["mean_token_accuracy"] == hits / count
    assert metrics["learned_tokens"] == count
    assert metrics["num_tokens"] == sum(len(one.ids) for one in batch)
    assert {"entropy", "grad_norm", "learning_rate", "epoch", "skipped", "tokens_per_second", "step_time"} <= metrics.keys()


def test_micro_batches_change_nothing(open_sft: OpenSft, sft_config: Any, tmp_path: Path) -> None:
    """1 x 8 = 8 x 1: one conversation at a time, or all at once."""
    found = []
    for budget in (1, 10_000):
        config = sft_config("batch_size=8", f"micro_batch_tokens={budget}")
        with open_sft(tmp_path / str(budget), config) as trainer:
            calls: list[int] = []
            trainer.model.model.layers[0].register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
            metrics = trainer.step(1)
            found.append((len(calls), metrics["loss"], metrics["grad_norm"], parameters(trainer.model)))
    assert [one[0] for one in found] == [8, 1]
    assert found[0][1:3] == pytest.approx(found[1][1:3], rel=1e-5)
    for name, tensor in found[0][3].items():
        # AdamW's first update is the sign of the gradient: where that is almost 0, it may turn over
        assert (tensor - found[1][3][name]).abs().mean() < 1e-4, name


def test_the_given_order_is_that_of_the_data_in_each_epoch(open_sft: OpenSft, sft_config: Any, tmp_path: Path) -> None:
    with open_sft(tmp_path, sft_config("order=given")) as trainer:
        batches = [[one.where for one in trainer.batch(step)] for step in range(1, 7)]
        assert list(chain.from_iterable(batches)) == [each.where for each in trainer.examples] * 2


def test_an_epoch_has_every_conversation_once_in_an_order_of_its_own(open_sft: OpenSft, sft_config: Any, tmp_path: Path) -> None:
    orders = []
    for seed in (0, 0, 1):
        with open_sft(tmp_path / f"{len(orders)}", sft_config(f"seed={seed}")) as trainer:
            assert trainer.steps == 6
            batches = [[one.where for one in trainer.batch(step)] for step in range(1, 7)]
            assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
            epochs = [list(chain.from_iterable(batches[:3])), list(chain.from_iterable(batches[3:]))]
            everything = sorted(one.where for one in trainer.examples)
            assert all(sorted(epoch) == everything for epoch in epochs)
            assert epochs[0] != epochs[1]
            orders.append(epochs)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_the_rate_warms_up_and_falls_to_a_tenth(sft_config: Any) -> None:
    config = sft_config("max_learning_rate=1", "learning_rate=1.0", "warmup_steps=2")
    middle = 0.1 + 0.9 * 0.5
    assert [learning_rate(config, step, 6) for step in (1, 2, 4, 6)] == pytest.approx([0.5, 1.0, middle, 0.1])
    assert learning_rate(sft_config("max_learning_rate=1", "learning_rate=1.0"), 3, 6) == pytest.approx(middle)
    quarter = learning_rate(sft_config("max_learning_rate=1", "learning_rate=1.0", "final_learning_rate=0.0"), 25, 100)
    assert quarter == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_the_papers_values_fit_the_configuration(sft_config: Any) -> None:
    config = sft_config(*(f"{key}={entry.value}" for key, entry in R1_SFT.items()))
    assert (config.epochs, config.batch_size, config.max_length) == (2, 128, 32_768)
    assert learning_rate(config, 1000, 1000) == pytest.approx(5e-6)


def test_it_learns_and_says_so(open_sft: OpenSft, sft_config: Any, tmp_path: Path, recorder: Recorder) -> None:
    config = sft_config("epochs=10", "sample_every=15", "sampling.temperature=0.0")
    with open_sft(tmp_path / "run", config, reporter=recorder) as trainer:
        before = trainer.evaluate()
        rows = [trainer.step(step) for step in range(1, 31)]
    assert rows[-1]["eval_loss"] < 0.5 * before["eval_loss"]
    assert rows[-1]["eval_mean_token_accuracy"] > before["eval_mean_token_accuracy"]
    assert [step for step, row in enumerate(rows, 1) if "eval_loss" in row] == list(range(3, 31, 3))
    assert [title.partition(" Say ")[0] for title, _ in recorder.of("sample")] == ["step 15: User:", "step 30: User:"]


@pytest.mark.parametrize("more", [(), (LORA, "weight_decay=0.1")], ids=["whole", "lora"])
def test_stopped_and_resumed_is_uninterrupted(
    more: tuple[str, ...],
    open_sft: OpenSft,
    sft_config: Any,
    train_until: Callable[..., Path],
    same_files: Callable[[Path, Path], None],
    timeless: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    config = sft_config(*more)

    def train(path: Path, resume: bool = False, stop: int = 0) -> Path:
        with open_sft(path, config, resume) as trainer:
            return train_until(trainer.run, trainer, config, trainer.steps, stop)

    whole = train(tmp_path / "whole")
    for stop, resume in ((1, False), (5, True)):
        with pytest.raises(Interrupted, match=f"after step {stop} of 6"):
            train(tmp_path / "run", resume=resume, stop=stop)
    resumed = train(tmp_path / "run", resume=True)
    same_files(whole, resumed)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")
    assert (whole / "adapter").exists() == bool(more)


def test_adapters_learn_and_the_base_stays(open_sft: OpenSft, sft_config: Any, tmp_path: Path) -> None:
    with open_sft(tmp_path / "run", sft_config(LORA)) as trainer:
        before = parameters(trainer.model)
        assert len(trainer.optimiser.parameters) == sum(".lora_" in name for name in before)
        losses = [trainer.step(step)["loss"] for step in range(1, 7)]
        moved = {name for name, tensor in parameters(trainer.model).items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(".lora_" in name for name in moved)
    assert losses[-1] < losses[0]


def test_activation_checkpointing_leaves_the_update_as_it_is(open_sft: OpenSft, sft_config: Any, tmp_path: Path) -> None:
    found = []
    for on in ("false", "true"):
        with open_sft(tmp_path / on, sft_config(f"gradient_checkpointing={on}")) as trainer:
            calls: list[int] = []
            trainer.model.model.layers[0].mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
            trainer.step(1)
            found.append((len(calls), parameters(trainer.model)))
    assert [one[0] for one in found] == [1, 2]
    assert all(torch.equal(tensor, found[1][1][name]) for name, tensor in found[0][1].items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_finite_steps_change_no_bit_and_end_the_run(
    value: float, open_sft: OpenSft, sft_config: Any, tmp_path: Path, recorder: Recorder
) -> None:
    with open_sft(tmp_path / "run", sft_config("epochs=9", "max_nonfinite_in_a_row=3"), reporter=recorder) as trainer:
        trainer.step(1)
        before = parameters(trainer.model)
        trainer.model.model.norm.weight.register_hook(lambda gradient: gradient * value)
        for step in (2, 3):
            assert trainer.step(step)["skipped"] == 1
        with pytest.raises(TrainingError, match="3 steps in a row were not finite"):
            trainer.step(4)
        assert all(torch.equal(tensor, before[name]) for name, tensor in parameters(trainer.model).items())
        assert trainer.batch(2)[0].where in recorder.of("warn")[0]
