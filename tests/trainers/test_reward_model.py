"""Training of reward models: the loss by hand, what it learns, that it does not learn length, and bit-equal resumption."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from dunwu.config.load import load_config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.data.io.preferences import Pair, user_turn
from dunwu.errors import Interrupted, TrainingError
from dunwu.jobs.reward_model import read_examples
from dunwu.models.heads import load_scorer
from dunwu.models.loading import save_model
from dunwu.models.lora import add_lora
from dunwu.run.directory import RunDirectory
from dunwu.run.reporter import QUIET, Reporter
from dunwu.trainers.reward_model import RewardModelTrainer, agreement, learning_rate, losses
from dunwu.trainers.reward_model_examples import Example, Reader
from tests.recorder import Recorder
from tests.trainers.reward_model_data import polite_pairs, safety_answers, write_rows

NewTrainer = Callable[..., RewardModelTrainer]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, new_policy: Callable[..., Any], world_tokenizer: Any) -> str:
    """A random causal model whose matrices are large enough for it to learn within seconds."""
    model = new_policy(1)
    with torch.no_grad():
        for matrix in (p for p in model.parameters() if p.ndim == 2):
            matrix.mul_(4)
    folder = tmp_path_factory.mktemp("base")
    save_model(model, world_tokenizer, folder)
    return str(folder)


@pytest.fixture
def config_of(base: str) -> Callable[..., RewardModelConfig]:
    """``config_of("epochs=2", ...)``: a small run on the random model."""
    fixed = [f"model={base}", "batch_size=16", "learning_rate=3e-3", "warmup_steps=2", "save_every=2", "sample_every=1000", "device=cpu"]
    return lambda *overrides: load_config(RewardModelConfig, None, [*fixed, "threads=1", *overrides])


@pytest.fixture
def new_trainer(tmp_path: Path) -> NewTrainer:
    """``new_trainer(config, rows)``: a trainer on rows written to a file, as `run_reward_model` makes it."""

    def make(config: RewardModelConfig, rows: list[dict[str, Any]], reporter: Reporter = QUIET) -> RewardModelTrainer:
        model, tokenizer = load_scorer(config.model, seed=config.seed)
        if config.lora is not None:
            add_lora(model, config.lora, config.seed)
        reader = Reader(tokenizer, model.config.pad_token_id)
        train, held_out, _ = read_examples(config, write_rows(tmp_path / "rows.jsonl", rows), reader)
        return RewardModelTrainer(config, model, tokenizer, train, held_out, reporter)

    return make


def train_all(trainer: RewardModelTrainer) -> list[dict[str, Any]]:
    return [dict(trainer.step(step)) for step in range(1, trainer.steps + 1)]


def accuracy(agreements: Sequence[float]) -> float:
    return sum(each > 0 for each in agreements) / len(agreements)


def pair_example(margin: float = 1.0) -> Example:
    return Example(((1,), (2,)), (1, 1), 1, margin, Pair(user_turn(""), "", ""))


def test_losses_and_agreements_by_hand() -> None:
    scores_BR = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    pairs = [pair_example(), pair_example(margin=2.0)]
    assert agreement(scores_BR, pairs).tolist() == [2.0, -2.0]
    assert losses(scores_BR, pairs, 0.0).tolist() == pytest.approx([math.log1p(math.exp(-2)), math.log1p(math.exp(2))])
    assert losses(scores_BR, pairs, 1.5).tolist() == pytest.approx([math.log1p(math.exp(-0.5)), math.log1p(math.exp(5))])
    answers = [Example(((1,),), (1,), sign, 0.0, pair_example().item) for sign in (1, -1)]
    given = torch.tensor([[1.0], [1.0]])
    assert agreement(given, answers).tolist() == [1.0, -1.0]
    assert losses(given, answers, 0.0).tolist() == pytest.approx([math.log1p(math.exp(-1)), math.log1p(math.exp(1))])


def test_the_rate_warms_up_and_falls_to_a_tenth() -> None:
    config = RewardModelConfig(max_learning_rate=1.0, learning_rate=1.0, warmup_steps=2)
    assert [learning_rate(config, step, 6) for step in (1, 2, 4, 6)] == pytest.approx([0.5, 1.0, 0.55, 0.1])
    assert learning_rate(RewardModelConfig(max_learning_rate=1.0, learning_rate=1.0, warmup_steps=9), 3, 4) == pytest.approx(1 / 3)


def test_politeness_is_learned(config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    trainer = new_trainer(config_of("epochs=2", "sample_every=1000"), polite_pairs(400))
    before = accuracy(trainer.agreements(trainer.held_out))
    rows = train_all(trainer)
    assert before < 0.8
    assert accuracy(trainer.agreements(trainer.held_out)) >= 0.9
    assert rows[-1]["held_out_accuracy"] >= 0.9
    assert rows[0]["loss"] == pytest.approx(math.log(2), rel=0.2)
    assert all(row["chosen_longer"] <= 0.5 for row in rows)  # pairs of equal length are on neither side


def test_a_plan_that_is_only_thought_is_unsafe_too(config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    trainer = new_trainer(config_of("criterion=safety", "epochs=3"), safety_answers(500))
    train_all(trainer)
    thought = [each for each in trainer.held_out if each.sign < 0 and "Steal" in each.item.completion.split("</think>")[0]]
    assert len(thought) > 5
    assert accuracy(trainer.agreements(thought)) >= 0.9
    assert accuracy(trainer.agreements(trainer.held_out)) >= 0.9


def test_balanced_batches_keep_length_out_of_it(config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    """Politeness tells right in three quarters of the training pairs, being the longer one in four fifths. In the trap the polite answer is
    always the better and the shorter one."""
    trap = polite_pairs(300, seed=9, longer=0.0)
    found = {}
    for balanced in ("true", "false"):
        config = config_of(f"balance_lengths={balanced}", "epochs=2")
        trainer = new_trainer(config, polite_pairs(1200, polite=0.75, longer=0.8))
        train_all(trainer)
        trapped = new_trainer(config_of("balance_lengths=false"), trap)
        found[balanced] = accuracy(trainer.agreements([*trapped.train, *trapped.held_out]))
    assert found["true"] > 0.9
    assert found["false"] < 0.7


@pytest.mark.parametrize("criterion", ["helpfulness", "safety"])
def test_the_token_budget_changes_nothing(criterion: str, config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    rows, found = polite_pairs(100) if criterion == "helpfulness" else safety_answers(100), []
    for budget in (100_000, 1):
        trainer = new_trainer(config_of(f"criterion={criterion}", f"micro_batch_tokens={budget}"), rows)
        metrics = trainer.step(1)
        found.append((metrics["loss"], metrics["grad_norm"], metrics["mean_reward"]))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_the_loss_is_that_of_transformers_outputs(config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    """Bradley-Terry written out on the public classifier's logits, with a mask and left to find the last token by itself."""
    trainer = new_trainer(config_of("max_grad_norm=1e9"), polite_pairs(100))
    batch = [trainer.train[place] for place in trainer.batches(1)]
    model = load_scorer(trainer.config.model, seed=trainer.config.seed)[0]
    rewards = [
        [
            model(input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row), dtype=torch.long)).logits[0, 0]
            for row in example.rows
        ]
        for example in batch
    ]
    loss = -torch.stack([F.logsigmoid(chosen - rejected) for chosen, rejected in rewards]).mean()
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    metrics = trainer.step(1)
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert metrics["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)


@pytest.mark.parametrize("lora", ["null", "{rank: 4}"])
def test_stopped_and_resumed_is_uninterrupted(
    lora: str,
    config_of: Callable[..., Any],
    new_trainer: NewTrainer,
    train_until: Callable[..., Path],
    same_files: Callable[[Path, Path], None],
    timeless: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    config = config_of(f"lora={lora}", "batch_size=16", "epochs=1")

    def train(path: Path, resume: bool = False, stop: int = 0) -> Path:
        with RunDirectory.create(path, "reward-model", config.model_dump(mode="json"), config.seed, resume) as run:
            trainer = new_trainer(config, polite_pairs(100))
            assert trainer.steps >= 5
            return train_until(run, trainer, config, trainer.steps, stop)

    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted, match="after step 3"):
        train(tmp_path / "run", stop=3)
    same_files(whole, train(tmp_path / "run", resume=True))
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")


def test_adapters_leave_the_base_and_train_the_head(config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    trainer = new_trainer(config_of("lora={rank: 4}", "learning_rate=1e-2"), polite_pairs(200))
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    train_all(trainer)
    moved = {name for name, tensor in trainer.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert "score.weight" in moved
    assert all(name == "score.weight" or ".lora_" in name for name in moved)


def test_a_saved_model_scores_as_the_trainer_does(config_of: Callable[..., Any], new_trainer: NewTrainer, tmp_path: Path) -> None:
    trainer = new_trainer(config_of("lora={rank: 4}", "learning_rate=1e-2"), polite_pairs(100))
    train_all(trainer)
    (tmp_path / "step").mkdir()
    trainer.save(tmp_path / "step")
    saved = new_trainer(config_of(f"model={tmp_path / 'step'}"), polite_pairs(100))
    assert saved.agreements(saved.held_out) == pytest.approx(trainer.agreements(trainer.held_out), abs=1e-4)


def test_not_finite_steps_change_no_bit_and_end_the_run(config_of: Callable[..., Any], new_trainer: NewTrainer) -> None:
    trainer = new_trainer(config_of("epochs=5"), polite_pairs(100))
    trainer.step(1)
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    trainer.model.score.weight.register_hook(lambda gradient: gradient * float("nan"))
    for step in (2, 3, 4, 5):
        assert trainer.step(step)["skipped"] == 1
    with pytest.raises(TrainingError, match="5 steps in a row were not finite"):
        trainer.step(6)
    assert all(map(torch.equal, before, trainer.model.parameters()))


def test_a_held_out_row_is_shown_with_its_scores(config_of: Callable[..., Any], new_trainer: NewTrainer, recorder: Recorder) -> None:
    trainer = new_trainer(config_of("sample_every=1"), polite_pairs(100), recorder)
    trainer.step(1)
    ((title, text),) = recorder.of("sample")
    assert "step 1, held out" in title
    assert "[chosen, scored " in text
    assert "[rejected, scored " in text
