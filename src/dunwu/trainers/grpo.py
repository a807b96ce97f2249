"""Group Relative Policy Optimization (DeepSeekMath, arXiv 2402.03300, Algorithm 1; DeepSeek-R1, arXiv 2501.12948, section 2.2).

A step: problems -> prompts -> G completions each -> rewards -> group advantages -> updates -> the engine's next weights.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.recipes import algorithm_named, with_config
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import PromptLimit, fitting, sampling_params
from dunwu.data.rollouts import SampledGroups, rollout_seeds, sample_groups, with_pool_rewards
from dunwu.models.loading import padding_id
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rewards.group import GroupReward, with_finite_totals
from dunwu.rewards.pool import RewardPool
from dunwu.rollout.base import Engine
from dunwu.run.directory import RunDirectory
from dunwu.tasks.base import Task
from dunwu.trainers.dialogue import Dialogue, dialogue_metrics, with_earlier_rewards
from dunwu.trainers.experience import make_experience
from dunwu.trainers.group_rewards import GroupRewards
from dunwu.trainers.model_rewards import ModelRewards
from dunwu.trainers.policy_update import PolicyUpdate
from dunwu.trainers.state import load_state, load_weights, save_state, save_weights
from dunwu.trainers.step_groups import GroupSource, problem_stream
from dunwu.trainers.step_report import StepReport
from dunwu.trainers.teachers import Teachers
from dunwu.trainers.train_loop import Metrics

REFERENCE, BEHAVIOUR = "reference.", "behaviour."


class GrpoTrainer:
    """The trainer of R1-Zero: the steps, and their state in and out of checkpoints."""

    def __init__(
        self,
        config: ZeroConfig,
        model: CausalLM,
        tokenizer: Tokenizer,
        engine: Engine,
        pool: RewardPool,
        task: Task,
        run: RunDirectory,
        group_rewards: GroupReward | None = None,
        teachers: Teachers | None = None,
    ) -> None:
        self.config, self.tokenizer, self.engine, self.pool, self.task, self.run = config, tokenizer, engine, pool, task, run
        self.group_rewards = group_rewards or GroupRewards(config, pool.weights, ModelRewards())
        self.teachers, asked = teachers, config.dialogue_teacher
        self.dialogue = Dialogue(config, config.dialogue, teachers[asked], tokenizer) if config.dialogue and asked and teachers else None
        self.algorithm = with_config(algorithm_named(config.grpo.algorithm), config.grpo)
        self.policy = PolicyUpdate(model, self.algorithm, config, pad=padding_id(tokenizer, model) or 0)
        self.sampling = sampling_params(config.sampling, config.template, tokenizer, engine)
        room = model.config.max_position_embeddings - config.completion_tokens
        self.limit = PromptLimit(config.template, tokenizer, min(config.max_prompt_tokens, room))
        self.groups = GroupSource(self._draw, config.grpo.prompts_per_step, self.algorithm.sampling_rounds)
        self.report = StepReport(config, tokenizer, run)

    def step(self, step: int) -> Metrics:
        """Sample groups with their rewards, compute advantages, update the policy, give its weights to the engine."""
        began = time.monotonic()
        groups = self.groups.take(step)
        self._check_versions(step, groups.sampled)
        if self.config.grpo.staleness:
            self.load_engine(step - 1)
            if step < self.config.grpo.steps:
                self.groups.begin(step + 1)
        experience = make_experience(groups.sampled.groups, self.algorithm)
        training = time.monotonic()
        totals = self.policy.learn(experience, step)
        trained = time.monotonic()
        if not self.config.grpo.staleness:
            self.load_engine(step)
        if self.algorithm.reference_every and step % self.algorithm.reference_every == 0:
            self.policy.renew_reference()
        metrics = self.report(step, groups, experience, totals, self.algorithm)
        self.policy.optimiser.count_skipped(step, totals.skipped, *self.report.nonfinite(step), self.run.reporter)
        taught = {} if self.teachers is None else self.teachers.metrics(step)
        talked = dialogue_metrics(experience.rollouts) if self.dialogue else {}
        return {
            **metrics,
            **taught,
            **talked,
            "learning_rate": self.policy.optimiser.learning_rate,
            "step_time": time.monotonic() - began,
            "time/train": trained - training,
        }

    @property
    def halted(self) -> str:
        """Why the run must stop: the tripwire, or a reward that fails."""
        return self.report.halted

    def load_engine(self, version: int) -> None:
        """The policy to the engine: it shares the weights, or with staleness has a copy of its own."""
        state = dict(self.policy.model.named_parameters()) if self.config.grpo.staleness else None
        self.engine.load_weights(version, state)

    def close(self) -> None:
        """Wait for a generation that was started ahead."""
        self.groups.close()

    def _draw(self, step: int, round: int, count: int) -> SampledGroups:
        """``count`` groups of a sampling round of a step; a function of the configuration, the weights and these three."""
        config, grpo = self.config, self.config.grpo
        first, stream = (step - 1) * grpo.prompts_per_step, problem_stream(config.seed, round)
        found = [fitting(partial(self.task.train, first + i), stream, self.limit) for i in range(count)]
        prompts, too_long = [prompt for prompt, _ in found], sum(tries for _, tries in found)
        seeds = rollout_seeds(config.seed, step, count, grpo.group_size, first=round * grpo.prompts_per_step)
        engine = self.dialogue.sampler(self.engine, prompts, step) if self.dialogue else self.engine
        sampled = sample_groups(engine, self.pool, prompts, self.sampling, grpo.group_size, seeds)
        began = time.monotonic()
        groups = self.group_rewards(sampled.groups, step)
        if config.dialogue and config.dialogue.discount:
            groups = with_earlier_rewards(
                groups, config.dialogue.discount, lambda earlier: self.group_rewards(with_pool_rewards(earlier, self.pool), step)
            )
        groups = with_finite_totals(groups)
        return replace(sampled, groups=groups, reward_seconds=sampled.reward_seconds + time.monotonic() - began, too_long=too_long)

    def _check_versions(self, step: int, sampled: SampledGroups) -> None:
        oldest = max(0, step - 1 - self.config.grpo.staleness)
        assert all(r.completion.tokens.versions <= {oldest} for r in sampled.rollouts), "the engine sampled with stale weights"

    def save(self, folder: Path) -> None:
        """The policy as a Hugging Face folder, and beside it optimiser, reference, the engine's older weights and counters."""
        tensors, values = self.policy.optimiser.state()
        tensors |= save_weights(self.policy.model, self.tokenizer, folder, self.config.save_precision)
        tensors |= {REFERENCE + name: tensor for name, tensor in self.policy.reference_parameters().items()}
        if self.config.grpo.staleness:
            tensors |= {BEHAVIOUR + name: tensor for name, tensor in self.engine.weights().items()}
        entropy = None if self.policy.entropy is None else asdict(self.policy.entropy)
        counters = {"policy_version": self.engine.policy_version, "entropy": entropy, **self.report.state()}
        save_state(folder, tensors, values | counters)

    def load(self, folder: Path) -> None:
        """Resume from a checkpoint: weights are copied into the live model, which the engine shares."""
        tensors, values = load_state(folder)
        load_weights(self.policy.model, folder, tensors)
        self.policy.optimiser.load(tensors, values)
        for name, tensor in self.policy.reference_parameters().items():
            tensor.copy_(tensors[REFERENCE + name])
        self.policy.entropy = values["entropy"] and EntropyBonus(**values["entropy"])
        self.report.load(values)
        older = {name.removeprefix(BEHAVIOUR): tensor for name, tensor in tensors.items() if name.startswith(BEHAVIOUR)}
        self.engine.load_weights(values["policy_version"], older or None)
