"""Checkpoints in the precision that was loaded, and runs that lose nothing by it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import Counts, ExampleReader
from dunwu.errors import Interrupted
from dunwu.jobs.reward_model import read_examples as read_preferences
from dunwu.models.chat import training_template
from dunwu.models.heads import load_scorer
from dunwu.models.loading import load_model, save_model
from dunwu.models.lora import add_lora
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.directory import RunDirectory
from dunwu.trainers.reward_model import RewardModelTrainer
from dunwu.trainers.reward_model_examples import Reader
from dunwu.trainers.sft import SftTrainer
from dunwu.trainers.state import MASTER, load_state
from tests.trainers.reward_model_data import polite_pairs, write_rows

Train = Callable[..., Path]
SameFiles = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def rounded_base(taught_base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The taught base as most models are published: in bfloat16."""
    folder = tmp_path_factory.mktemp("rounded")
    save_model(*load_model(taught_base), folder, torch.bfloat16)
    return str(folder)


@pytest.fixture
def train_zero(rounded_base: str, zero_config: Any, open_trainer: Any, train_until: Any) -> Train:
    def train(path: Path, *more: str, resume: bool = False, stop: int = 0) -> Path:
        config = zero_config(f"model={rounded_base}", *more)
        engine_of = (lambda model, tokenizer: TorchEngine(copy.deepcopy(model), tokenizer)) if config.grpo.staleness else None
        with open_trainer(path, config, resume=resume, engine_of=engine_of) as trainer:
            return train_until(trainer.run, trainer, config, config.grpo.steps, stop)

    return train


@pytest.fixture
def train_sft(rounded_base: str, train_until: Any, tmp_path: Path) -> Train:
    rows = [{"prompt": f"Say {n}.", "completion": f"{n} " * (1 + n % 4)} for n in range(10)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    fixed = [f"model={rounded_base}", f"data={data}", "batch_size=4", "learning_rate=1e-3", "matmul_precision=float32", "save_every=2"]

    def train(path: Path, *more: str, resume: bool = False, stop: int = 0) -> Path:
        config = load_config(SftConfig, None, [*fixed, *more])
        model, tokenizer = load_model(config.model)
        examples = list(ExampleReader(data, training_template("tiny", tokenizer), tokenizer, 100, "refuse").read(Counts()))
        if config.lora is not None:
            add_lora(model, config.lora, config.seed)
        with RunDirectory.create(path, "sft", config.model_dump(mode="json"), config.seed, resume) as run:
            trainer = SftTrainer(config, model, tokenizer, TorchEngine(model, tokenizer), examples)
            return train_until(run, trainer, config, trainer.steps, stop)  # type: ignore[no-any-return]

    return train


@pytest.fixture
def train_reward_model(rounded_base: str, train_until: Any, tmp_path: Path) -> Train:
    data = write_rows(tmp_path / "rows.jsonl", polite_pairs(100))
    fixed = [f"model={rounded_base}", "batch_size=16", "learning_rate=1e-3", "save_every=2", "sample_every=1000", "threads=1"]

    def train(path: Path, *more: str, resume: bool = False, stop: int = 0) -> Path:
        config = load_config(RewardModelConfig, None, [*fixed, *more])
        model, tokenizer = load_scorer(config.model, seed=0)
        if config.lora is not None:
            add_lora(model, config.lora, config.seed)
        examples = read_preferences(config, data, Reader(tokenizer, model.config.pad_token_id))
        with RunDirectory.create(path, "reward-model", config.model_dump(mode="json"), config.seed, resume) as run:
            trainer = RewardModelTrainer(config, model, tokenizer, *examples[:2])
            return train_until(run, trainer, config, trainer.steps, stop)  # type: ignore[no-any-return]

    return train


def dtypes(folder: Path) -> set[torch.dtype]:
    return {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("zero", ()),
        ("zero", ("grpo.beta=0.1", "grpo.staleness=1", "grpo.tis_clip=2.0")),
        ("zero", ("lora={rank: 4}",)),
        ("sft", ()),
        ("sft", ("lora={rank: 4}",)),
        ("reward_model", ()),
        ("reward_model", ("lora={rank: 4}",)),
    ],
)
def test_rounded_checkpoints_go_on_to_the_bit(
    kind: str, more: Sequence[str], request: pytest.FixtureRequest, same_files: SameFiles, timeless: Any, tmp_path: Path
) -> None:
    if more and "lora" in more[0]:
        pytest.importorskip("peft")
    train: Train = request.getfixturevalue(f"train_{kind}")
    whole = train(tmp_path / "whole", *more)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", *more, stop=3)
    resumed = train(tmp_path / "run", *more, resume=True)
    same_files(whole, resumed)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")
    assert dtypes(whole) == {torch.bfloat16}


def test_the_state_holds_what_rounding_loses(train_sft: Train, tmp_path: Path) -> None:
    final = train_sft(tmp_path / "run")
    masters = {name.removeprefix(MASTER): tensor for name, tensor in load_state(final)[0].items() if name.startswith(MASTER)}
    weights = load_file(final / "model.safetensors")
    assert masters.keys() == weights.keys()  # tied embeddings are one in both
    assert all(torch.equal(masters[name].bfloat16(), weights[name]) for name in masters)
    assert any(not torch.equal(masters[name], weights[name].float()) for name in masters)


def test_float32_by_option_and_what_is_float32_stays(train_sft: Train, taught_base: str, tmp_path: Path) -> None:
    for number, more in enumerate(("save_precision=float32", f"model={taught_base}")):
        final = train_sft(tmp_path / str(number), more)
        assert dtypes(final) == {torch.float32}
        assert not any(name.startswith(MASTER) for name in load_state(final)[0])
    assert dtypes(train_sft(tmp_path / "2", f"model={taught_base}", "save_precision=bfloat16")) == {torch.bfloat16}
