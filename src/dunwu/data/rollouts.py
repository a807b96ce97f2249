"""Sampling and rewarding: from prompts to groups of rollouts. Rewards are computed while the engine is generating."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dunwu.rewards.group import with_rewards
from dunwu.rewards.pool import RewardPool
from dunwu.rollout.base import OnCompletion, Sampler, group_requests
from dunwu.text.answer_forms import as_read
from dunwu.types import Completion, Group, Prompt, Reward, Rollout, SamplingParams, Verdict

UNREWARDED = Reward(None, {}, Verdict(None, "unverified"))


@dataclass(frozen=True)
class SampledGroups:
    """Groups in the prompts' order, and seconds spent generating and then waiting for the last rewards."""

    groups: list[Group]
    generate_seconds: float
    reward_seconds: float
    too_long: int = 0
    """Problems that were replaced because their prompts were too long."""

    @property
    def rollouts(self) -> list[Rollout]:
        return [rollout for group in self.groups for rollout in group.rollouts]


def rollout_seeds(seed: int, purpose: int, prompts: int, group_size: int, first: int = 0) -> list[int]:
    """P*G seeds of 63 bits. Each depends only on ``seed``, ``purpose`` (such as a step), its prompt's index and its own.

    ``first`` is the index of the first prompt.
    """
    return [
        int(np.random.SeedSequence([seed, purpose, prompt, sample]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        for prompt in range(first, first + prompts)
        for sample in range(group_size)
    ]


def with_pool_rewards(groups: Sequence[Group], pool: RewardPool) -> list[Group]:
    """The groups with the rewards of the pool."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    for index, rollout in enumerate(rollouts):
        problem = as_read(rollout.prompt.problem, rollout.completion.finish_reason == "length")
        pool.submit(index, problem, rollout.prompt.prefill + rollout.completion.text)
    rewards = iter(pool.collect().values())
    return [with_rewards(group, [next(rewards) for _ in group.rollouts]) for group in groups]


def sample_groups(
    engine: Sampler,
    pool: RewardPool | None,
    prompts: Sequence[Prompt],
    params: SamplingParams,
    group_size: int,
    seeds: Sequence[int],
    on_completion: OnCompletion | None = None,
) -> SampledGroups:
    """Sample ``group_size`` completions of each prompt and compute their rewards; without a ``pool`` they have none."""

    def reward(index: int, completion: Completion) -> None:
        prompt = prompts[index // group_size]
        if pool is not None:
            pool.submit(index, as_read(prompt.problem, completion.finish_reason == "length"), prompt.prefill + completion.text)
        if on_completion is not None:
            on_completion(index, completion)

    began = time.monotonic()
    completions = engine.generate(group_requests(prompts, params, group_size, seeds), on_completion=reward)
    generated = time.monotonic()
    expected = len(prompts) * group_size
    rewards = dict.fromkeys(range(expected), UNREWARDED) if pool is None else pool.collect()
    assert len(completions) == expected, f"{len(completions)} completions for {len(prompts)} prompts x {group_size}"
    assert rewards.keys() == set(range(expected)), f"{len(rewards)} rewards for {expected} rollouts"
    rollouts = [Rollout(prompts[i // group_size], completion, rewards[i]) for i, completion in enumerate(completions)]
    groups = [Group(prompt, tuple(rollouts[p * group_size : (p + 1) * group_size])) for p, prompt in enumerate(prompts)]
    return SampledGroups(groups, generated - began, time.monotonic() - generated)
