"""Does it learn? A small task that reinforcement learning solves in seconds, and the bugs that must keep it from being solved."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from dunwu.algorithms.advantages import group_normalised
from dunwu.algorithms.recipes import ALGORITHMS
from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import make_prompts
from dunwu.data.rollouts import rollout_seeds, sample_groups
from dunwu.errors import ModelError
from dunwu.evaluation.session import EVALUATION
from dunwu.models.bundled import bundled_path
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.types import Problem, Reward, Verdict

STEPS = 70
GUESSING = 0.45
"""No policy that does not look at the number gets further than 0.2; the base gets about 0.25."""
PLATEAU = 0.75
STEP_SIZE = ["grpo.prompts_per_step=10", "grpo.group_size=8", f"grpo.steps={STEPS}"]


def accuracy(trainer: Any) -> float:
    """Share of right answers of the trainer's engine on training problems, by the true verifier."""
    prompts = trainer_prompts(trainer, 20)
    with RewardPool(rule_reward(), 0, 5.0) as pool:
        rollouts = sample_groups(trainer.engine, pool, prompts, trainer.sampling, 8, rollout_seeds(99, EVALUATION, 20, 8)).rollouts
    return sum(rollout.reward.parts["accuracy"] or 0.0 for rollout in rollouts) / len(rollouts)


def trainer_prompts(trainer: Any, count: int) -> Any:
    problems = [trainer.task.train(index, 0) for index in range(count)]
    return make_prompts(problems, trainer.config.template, trainer.tokenizer, trainer.config.max_prompt_tokens)


def learned(trainer: Any) -> tuple[float, float]:
    """Accuracy before and after all steps."""
    before = accuracy(trainer)
    for step in range(1, STEPS + 1):
        trainer.step(step)
    return before, accuracy(trainer)


class StaleEngine(TorchEngine):
    """Never sees an update, and says that it does."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(deepcopy(model), tokenizer)


def always_wrong(problem: Problem, text: str) -> Reward:
    form = rule_reward()(problem, text).parts["format"] or 0.0
    return Reward(form, {"accuracy": 0.0, "format": form}, Verdict(0.0, "wrong"))


def at_random(problem: Problem, text: str) -> Reward:
    score = float(random.Random(f"{problem.text}{text}").random() < 0.5)
    return Reward(score, {"accuracy": score, "format": 0.0}, Verdict(score, "correct"))


def wrong_sign(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    return -group_normalised(rewards_PG, valid_PG)


def between_groups(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """Each rollout gets the advantage of the same place in the next group: rewards that lost their prompts."""
    return group_normalised(rewards_PG, valid_PG).roll(1, 0)


def as_it_is(trainer: Any) -> None:
    pass


def with_advantage(advantage: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any], None]:
    def plant(trainer: Any) -> None:
        trainer.algorithm = replace(trainer.algorithm, advantage=advantage)

    return plant


@pytest.fixture
def open_say(
    open_trainer: Callable[..., AbstractContextManager[Any]], zero_config: Callable[..., Any], tmp_path: Path
) -> Callable[..., AbstractContextManager[Any]]:
    return lambda *overrides, **parts: open_trainer(tmp_path / "run", zero_config(*STEP_SIZE, *overrides), **parts)


@pytest.mark.parametrize(
    "more", [(), ("grpo.beta=0.001", "grpo.minibatches=2", "grpo.learning_rate=2e-3")], ids=["one-update", "two-and-kl"]
)
def test_reinforcement_learning_clears_the_plateau(more: tuple[str, ...], open_say: Callable[..., AbstractContextManager[Any]]) -> None:
    with open_say(*more) as trainer:
        before, after = learned(trainer)
    assert before < GUESSING, "the base must not be able to do it already"
    assert after > PLATEAU


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_clears_the_plateau(name: str, open_say: Callable[..., AbstractContextManager[Any]]) -> None:
    """With its own clip, KL and sampling rounds; two updates a batch, so that its ratio counts."""
    with open_say(f"grpo.algorithm={name}", "grpo.beta=null", "grpo.minibatches=2", "grpo.learning_rate=2e-3") as trainer:
        before, after = learned(trainer)
    print(f"{name}: {before:.3f} -> {after:.3f}")
    assert before < GUESSING
    assert after > PLATEAU


OPTIONS = {
    "tis": ("grpo.tis_clip=2",),
    "entropy": ("grpo.entropy_bonus=0.001", "grpo.entropy_target=0.5", "grpo.entropy_step=0.0005"),
    "clip-cov": ("grpo.covariance_control=clip-cov", "grpo.covariance_share=0.002"),
    "kl-cov": ("grpo.covariance_control=kl-cov", "grpo.covariance_share=0.002"),
    "dynamic": ("grpo.max_sampling_rounds=4",),
    "overlong": ("overlong_tokens=3",),
}


@pytest.mark.slow
@pytest.mark.parametrize("more", OPTIONS.values(), ids=OPTIONS)
def test_every_option_lets_it_learn(more: tuple[str, ...], open_say: Callable[..., AbstractContextManager[Any]]) -> None:
    with open_say("grpo.minibatches=2", "grpo.learning_rate=2e-3", *more) as trainer:
        before, after = learned(trainer)
    print(f"{more}: {before:.3f} -> {after:.3f}")
    assert after > PLATEAU


@pytest.mark.parametrize(
    ("plant", "parts"),
    [
        (with_advantage(wrong_sign), {}),
        (with_advantage(between_groups), {}),
        (as_it_is, {"reward": always_wrong}),
        (as_it_is, {"reward": at_random}),
        (as_it_is, {"engine_of": StaleEngine}),
    ],
    ids=["wrong-sign", "lost-prompts", "always-wrong", "random-verifier", "stale-engine"],
)
def test_a_planted_bug_does_not(
    plant: Callable[[Any], None], parts: dict[str, Any], open_say: Callable[..., AbstractContextManager[Any]]
) -> None:
    with open_say(**parts) as trainer:
        plant(trainer)
        _, after = learned(trainer)
    assert after < GUESSING


@pytest.mark.slow
def test_the_bundled_base_learns_countdown(open_trainer: Callable[..., AbstractContextManager[Any]], tmp_path: Path) -> None:
    """Level 1 (three small numbers) from the bundled base: accuracy over five steps at the end against that at the beginning."""
    try:
        bundled_path()
    except ModelError as error:
        pytest.skip(str(error))
    task = "tasks=[{task: {kind: countdown, levels: [1], languages: [en]}}]"
    sizes = [
        "grpo.steps=30",
        "grpo.prompts_per_step=32",
        "grpo.group_size=8",
        "grpo.learning_rate=2e-4",
        "grpo.beta=0",
        "sampling.max_tokens=120",
    ]
    with open_trainer(tmp_path / "run", load_config(ZeroConfig, None, [task, *sizes, "device=cpu", "sample_every=1000"])) as trainer:
        found = [trainer.step(step)["rewards/accuracy"] for step in range(1, 31)]
    before, after = sum(found[:5]) / 5, sum(found[-5:]) / 5
    assert after > before + 0.1, f"{before:.2f} before, {after:.2f} after"
