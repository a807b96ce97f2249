"""The GRPO trainer: fresh weights for the engine, the reference, failures, and bit-equal resumption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.errors import Interrupted, TrainingError
from dunwu.models.loading import load_model
from dunwu.rewards.rules import rule_reward
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.run.tables import read_rollouts
from dunwu.types import Problem, Reward, Verdict
from tests.recorder import Recorder

OpenTrainer = Callable[..., AbstractContextManager[Any]]
ZeroConfigOf = Callable[..., Any]
SameFiles = Callable[[Path, Path], None]
Timeless = Callable[[Path], list[dict[str, Any]]]


class StaleEngine(TorchEngine):
    """Copies the weights when it is made and never looks again; ``honest`` says whether it admits it in the policy version."""

    def __init__(self, model: Any, tokenizer: Any, honest: bool) -> None:
        super().__init__(deepcopy(model), tokenizer)
        self._honest = honest

    def load_weights(self, version: int, state: Any = None) -> None:
        if not self._honest:
            self.policy_version = version


@pytest.fixture
def train(train_until: Callable[..., Path], open_trainer: OpenTrainer) -> Callable[..., Path]:
    """``train(path, config, stop=0, resume=..., reporter=...)``: the final checkpoint."""

    def do(path: Path, config: Any, stop: int = 0, **more: Any) -> Path:
        with open_trainer(path, config, **more) as trainer:
            return train_until(trainer.run, trainer, config, config.grpo.steps, stop)

    return do


def state_bits(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_state(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_step_learns_from_fresh_rollouts(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config("dump_rollouts_every=1")) as trainer:
        before = state_bits(trainer.policy.model)
        for step in (1, 2, 3):
            metrics = trainer.step(step)
            assert metrics["mismatch"] < 1e-5  # engine and trainer agree on what was sampled
            rows = read_rollouts(trainer.run.rollouts_path(step))
            assert len(rows) == 16
            assert {row["policy_version"] for row in rows} == {step - 1}
            assert metrics["num_tokens"] == sum(row["tokens"] for row in rows)
            assert metrics["reward"] == pytest.approx(sum(row["reward"] for row in rows) / 16)
            check_values_of_tokens(rows, metrics["entropy"])
            assert metrics["rewards/accuracy"] == pytest.approx(sum(row["reward_accuracy"] for row in rows) / 16)
        assert not torch.equal(before["lm_head.weight"], trainer.policy.model.lm_head.weight)
        assert trainer.engine.policy_version == 3


def check_values_of_tokens(rows: list[dict[str, Any]], entropy: float) -> None:
    """Every token has its characters; those of rollouts with an advantage their entropies, whose mean is the step's metric."""
    assert all(sum(row["token_characters"]) == len(row["completion"]) for row in rows)
    assert all(len(row["token_characters"]) == row["tokens"] for row in rows)
    live = [row for row in rows if row["advantage"]]
    assert live
    assert [row["entropies"] is not None for row in rows] == [bool(row["advantage"]) for row in rows]
    assert [len(row["entropies"]) for row in live] == [row["tokens"] for row in live]
    assert sum(sum(row["entropies"]) for row in live) / sum(row["tokens"] for row in live) == pytest.approx(entropy, abs=1e-3)


def test_a_stale_engine_that_says_so_is_refused(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config(), engine_of=lambda m, t: StaleEngine(m, t, honest=True)) as trainer:
        trainer.step(1)
        with pytest.raises(AssertionError, match="stale weights"):
            trainer.step(2)


def test_a_stale_engine_that_lies_shows_in_the_mismatch(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config(), engine_of=lambda m, t: StaleEngine(m, t, honest=False)) as trainer:
        seen = [trainer.step(step)["mismatch"] for step in (1, 2, 3)]
    assert seen[0] < 1e-5
    assert min(seen[1:]) > 1e-2


def failing_reward(problem: Problem, text: str) -> Reward:
    """Right or wrong as the rules say, but for ``Say 3.`` the verifier breaks down."""
    if "3" in problem.text:
        return Reward(None, {"accuracy": None, "format": None}, Verdict(None, "error", "planted"))
    return rule_reward()(problem, text)


def test_failed_rewards_are_counted_and_left_out(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    config = zero_config("grpo.prompts_per_step=5", "dump_rollouts_every=1")
    with open_trainer(tmp_path / "run", config, reward=failing_reward) as trainer:
        metrics = trainer.step(1)
        rows = read_rollouts(trainer.run.rollouts_path(1))
    failed = [row for row in rows if row["reward"] is None]
    assert metrics["excluded"] == len(failed) == 4
    assert all(row["advantage"] is None and row["verdict"] == "error" for row in failed)
    assert all(row["advantage"] is not None for row in rows if row["reward"] is not None)
    right = [row["reward"] for row in rows if row["reward"] is not None]
    assert metrics["reward"] == pytest.approx(sum(right) / len(right))


def test_when_every_reward_fails_nothing_moves(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    broken = Reward(None, {"accuracy": None}, Verdict(None, "timeout"))
    with open_trainer(tmp_path / "run", zero_config(), reward=lambda problem, text: broken) as trainer:
        before = state_bits(trainer.policy.model)
        metrics = trainer.step(1)
        assert_same_state(before, state_bits(trainer.policy.model))
    assert metrics["reward"] is None
    assert (metrics["excluded"], metrics["updates"], metrics["dead_groups"]) == (16, 0, 4)


def test_not_finite_steps_are_dumped_counted_and_end_the_run(
    open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path, recorder: Recorder
) -> None:
    with open_trainer(tmp_path / "run", zero_config("grpo.max_nonfinite_in_a_row=3"), reporter=recorder) as trainer:
        trainer.step(1)
        before = state_bits(trainer.policy.model)
        norm = trainer.policy.model.model.norm.weight
        handle = norm.register_hook(lambda gradient: gradient * float("nan"))
        assert trainer.step(2)["skipped"] == 1
        assert trainer.step(3)["updates"] == 0
        handle.remove()
        assert_same_state(before, state_bits(trainer.policy.model))
        assert trainer.step(4)["updates"] == 1  # a good step: the count begins again
        norm.register_hook(lambda gradient: gradient * float("nan"))
        before = state_bits(trainer.policy.model)
        trainer.step(5)
        trainer.step(6)
        with pytest.raises(TrainingError, match="3 steps in a row were not finite"):
            trainer.step(7)
        assert_same_state(before, state_bits(trainer.policy.model))
        dumped = sorted(path.name for path in (trainer.run.path / "nonfinite").iterdir())
        assert dumped == [f"step-{step:05d}.parquet" for step in (2, 3, 5, 6, 7)]
        assert len(read_rollouts(trainer.run.path / "nonfinite" / dumped[0])) == 16
    assert ["not finite" in text for text in recorder.of("warn")] == [True] * 5


def test_the_reference_is_renewed_every_n_steps(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config("grpo.beta=0.05", "grpo.reference_every=2")) as trainer:
        base = state_bits(trainer.policy.model)
        kl = [trainer.step(1)["kl"]]
        assert_same_state(base, state_bits(trainer.policy.reference))
        kl.append(trainer.step(2)["kl"])
        assert_same_state(state_bits(trainer.policy.model), state_bits(trainer.policy.reference))
        kl.append(trainer.step(3)["kl"])
        kl.append(trainer.step(4)["kl"])
    assert kl[0] == pytest.approx(0.0, abs=1e-6)
    assert kl[1] > 1e-4
    assert kl[2] == pytest.approx(0.0, abs=1e-6)
    assert kl[3] > 1e-4


def test_at_beta_0_there_is_no_reference(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config()) as trainer:
        assert trainer.policy.reference is None
        assert "kl" not in trainer.step(1)


KL = ("grpo.beta=0.05", "grpo.reference_every=3", "grpo.minibatches=2")
OPTIONS = (
    *("grpo.algorithm=dapo", "grpo.max_sampling_rounds=3", "grpo.minibatches=2", "grpo.tis_clip=2", "overlong_tokens=4"),
    *("grpo.entropy_bonus=0.01", "grpo.entropy_target=1", "grpo.covariance_control=clip-cov", "grpo.covariance_share=0.1"),
)


@pytest.mark.parametrize("more", [(), KL, OPTIONS], ids=["beta-0", "reference", "options"])
@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
def test_stopped_and_resumed_is_uninterrupted(
    more: Sequence[str],
    torn: bool,
    train: Callable[..., Path],
    zero_config: ZeroConfigOf,
    same_files: SameFiles,
    timeless: Timeless,
    tmp_path: Path,
    recorder: Recorder,
) -> None:
    """Weights, optimiser, reference, counters, metrics, rollouts; also where the newest checkpoint is torn and the one before is used."""
    config = zero_config(*more)
    whole = train(tmp_path / "whole", config)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", config, stop=5)
    if torn:
        victim = tmp_path / "run" / "checkpoints" / "step-000005" / "trainer" / "state.safetensors"
        victim.write_bytes(victim.read_bytes()[:-100])
    resumed = train(tmp_path / "run", config, resume=True, reporter=recorder)
    *skipped, taken = (text for text in recorder.of("warn") if "step-00000" in text)
    assert ["step-000005" in text for text in skipped] == [True] * torn
    assert f"step-00000{4 if torn else 5}" in taken
    same_files(whole, resumed)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")
    same_files(tmp_path / "whole" / "rollouts", tmp_path / "run" / "rollouts")


def never_alive(problem: Problem, text: str) -> Reward:
    """The rules' reward for numbers below 3; the others' groups are dead."""
    reward = rule_reward()(problem, text)
    return reward if problem.answer in ("0", "1", "2") else Reward(0.0, reward.parts, reward.verdict)


def test_dynamic_sampling_fills_the_batch_with_further_problems(
    open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path
) -> None:
    sizes = ("grpo.prompts_per_step=5", "dump_rollouts_every=1", "grpo.group_size=8")
    found = {}
    for rounds in (1, 4):
        config = zero_config(*sizes, f"grpo.max_sampling_rounds={rounds}")
        with open_trainer(tmp_path / str(rounds), config, reward=never_alive) as trainer:
            metrics = trainer.step(1)
            found[rounds] = read_rollouts(trainer.run.rollouts_path(1)), metrics
    (plain, few), (filled, many) = found[1], found[4]
    assert "sampling/rounds" not in few
    assert few["dead_groups"] >= 2  # an epoch has each of the five problems once
    assert many["dead_groups"] < few["dead_groups"]
    assert many["sampling/rounds"] > 1
    assert many["sampling/dropped_groups"] >= few["dead_groups"] - many["dead_groups"]
    assert len(plain) == len(filled) == 40
    for before, after in zip(plain, filled, strict=True):
        alive = any(row["advantage"] for row in plain if row["prompt"] == before["prompt"])
        assert not alive or before["completion"] == after["completion"]  # the first round is the same, and what was alive stays


def test_overlong_completions_lose_reward(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    config = zero_config("overlong_tokens=4", "dump_rollouts_every=1", "sampling.max_tokens=10")
    with open_trainer(tmp_path / "run", config) as trainer:
        metrics = trainer.step(1)
        rows = read_rollouts(trainer.run.rollouts_path(1))
    for row in rows:
        assert row["reward_overlong"] == pytest.approx(-max(0, row["tokens"] - 6) / 4)
        assert row["reward"] == pytest.approx(row["reward_accuracy"] + row["reward_format"] + row["reward_overlong"])
    assert any(row["reward_overlong"] for row in rows)
    assert metrics["rewards/overlong"] == pytest.approx(sum(row["reward_overlong"] for row in rows) / 16)


def test_the_entropy_bonus_moves_to_its_target_and_survives_a_resume(
    open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path
) -> None:
    config = zero_config("grpo.entropy_bonus=0.01", "grpo.entropy_target=20", "grpo.entropy_step=0.004")
    with open_trainer(tmp_path / "run", config) as trainer:
        assert [trainer.step(step)["entropy_bonus"] for step in (1, 2, 3)] == pytest.approx([0.01, 0.014, 0.018])
        trainer.save(tmp_path / "saved")
        kept = trainer.policy.entropy
    with open_trainer(tmp_path / "again", config) as trainer:
        trainer.load(tmp_path / "saved")
        assert trainer.policy.entropy == kept
        assert kept.coefficient == pytest.approx(0.022)
        assert kept.last is not None


def test_the_reference_survives_a_resume(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    config = zero_config("grpo.beta=0.05", "grpo.reference_every=2")
    with open_trainer(tmp_path / "run", config) as trainer:
        for step in (1, 2, 3):
            trainer.step(step)
        reference, policy = state_bits(trainer.policy.reference), state_bits(trainer.policy.model)
        trainer.save(tmp_path / "saved")
    with open_trainer(tmp_path / "again", config) as trainer:
        trainer.load(tmp_path / "saved")
        assert_same_state(state_bits(trainer.policy.reference), reference)
        assert_same_state(state_bits(trainer.policy.model), policy)
        assert trainer.engine.policy_version == 3
        assert trainer.step(4)["mismatch"] < 1e-5  # the engine samples with what was loaded


def test_one_seed_is_one_run(train: Callable[..., Path], zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    seeds = (3, 3, 4)
    runs = [train(tmp_path / str(i), zero_config(f"seed={seed}")) for i, seed in enumerate(seeds)]
    first, second, other = [(run / "model.safetensors").read_bytes() for run in runs]
    assert first == second
    assert first != other


def test_a_checkpoint_is_a_model(open_trainer: OpenTrainer, zero_config: ZeroConfigOf, tmp_path: Path) -> None:
    with open_trainer(tmp_path / "run", zero_config()) as trainer:
        trainer.step(1)
        trainer.save(tmp_path / "saved")
        model, tokenizer = load_model(str(tmp_path / "saved"))
        assert_same_state(state_bits(model), state_bits(trainer.policy.model))
        assert tokenizer.get_vocab() == trainer.tokenizer.get_vocab()
