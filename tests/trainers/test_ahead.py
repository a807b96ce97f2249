"""Generation one step ahead: which weights sampled, that nothing is lost by stopping, and what it refuses."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.data.rollouts import SampledGroups
from dunwu.errors import ConfigError, Interrupted
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.trainers.step_groups import GroupSource

STALE = ("grpo.staleness=1", "grpo.tis_clip=2", "save_every=100")


def own_engine(model: Any, tokenizer: Any) -> TorchEngine:
    """An engine with weights of its own, as the pipeline makes it for a staleness of 1."""
    return TorchEngine(copy.deepcopy(model), tokenizer)


def step_groups(step: int, round: int, prompts: int) -> Any:
    """Stands for the groups of ``step``."""
    if step == 9:
        raise RuntimeError("step 9")
    return SampledGroups([], float(step), 0.0)


def test_what_was_begun_is_taken_and_nothing_else() -> None:
    source = GroupSource(step_groups, prompts=1, rounds=1)
    assert source.take(1).sampled.generate_seconds == 1
    source.begin(2)
    with pytest.raises(AssertionError):
        source.begin(3)
    with pytest.raises(AssertionError):
        source.take(5)
    assert source.take(2).sampled.generate_seconds == 2
    source.close()


def test_an_error_of_the_thread_reaches_who_takes() -> None:
    source = GroupSource(step_groups, prompts=1, rounds=1)
    source.begin(9)
    with pytest.raises(RuntimeError, match="step 9"):
        source.take(9)
    source.close()


def test_rollouts_are_one_update_old(open_trainer: Callable[..., Any], zero_config: Callable[..., Any], tmp_path: Path) -> None:
    """Step k samples with the weights of policy k - 2, which a second trainer without staleness has at its step k - 1."""
    policies: list[dict[str, torch.Tensor]] = []
    versions: list[set[int]] = []
    with open_trainer(tmp_path / "run", zero_config(*STALE), engine_of=own_engine) as trainer:
        for step in range(1, 7):
            policies.append({name: p.detach().clone() for name, p in trainer.policy.model.named_parameters()})
            seen = trainer.groups.take(step)
            trainer.groups.take = lambda _, seen=seen: seen
            used = dict(trainer.engine.weights())
            older = policies[max(0, step - 2)]
            assert all(torch.equal(used[name], older[name]) for name in used)
            versions.append(set().union(*(r.completion.tokens.versions for r in seen.sampled.rollouts)))
            metrics = trainer.step(step)
            del trainer.groups.take
            if step > 1 and metrics["mismatch"] is not None:
                assert metrics["mismatch"] > 1e-3  # an update lies between, not rounding alone
        trainer.close()
    assert versions == [{0}, {0}, {1}, {2}, {3}, {4}]


def test_stopped_and_resumed_is_uninterrupted(
    open_trainer: Callable[..., Any], zero_config: Callable[..., Any], train_until: Callable[..., Path], same_files: Any, tmp_path: Path
) -> None:
    config = zero_config(*STALE)

    def train(path: Path, resume: bool = False, stop: int = 0) -> Path:
        with open_trainer(path, config, resume=resume, engine_of=own_engine) as trainer:
            try:
                return train_until(trainer.run, trainer, config, config.grpo.steps, stop)
            finally:
                trainer.close()

    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "run", stop=3)
    same_files(whole, train(tmp_path / "run", resume=True))


def test_uncorrected_staleness_is_refused(zero_config: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"set grpo\.tis_clip too"):
        zero_config("grpo.staleness=1")
