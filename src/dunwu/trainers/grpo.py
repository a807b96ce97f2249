"""Group Relative Policy Optimization (DeepSeekMath, arXiv 2402.03300, Algorithm 1; DeepSeek-R1, arXiv 2501.12948, section 2.2).

A step: problems -> prompts -> G completions each -> rewards -> group advantages -> updates -> the engine's next weights.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import pstdev
from typing import Any, get_args

from transformers import PreTrainedTokenizerBase

from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.recipes import algorithm_named, with_config
from dunwu.config.zero import ZeroConfig
from dunwu.data.prompts import sampling_params
from dunwu.data.rollouts import SampledGroups, rollout_seeds, sample_groups
from dunwu.data.usable import PromptLimit, fitting
from dunwu.models.loading import padding_id
from dunwu.models.reflection import count_reflections
from dunwu.models.thinking import thinking_tokens
from dunwu.rewards.group import GroupReward
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.tripwire import make_tripwire
from dunwu.rollout.base import Engine
from dunwu.run.directory import RunDirectory
from dunwu.run.progress import print_sample
from dunwu.run.tables import write_rollouts
from dunwu.tasks.base import Task
from dunwu.trainers.ahead import Ahead
from dunwu.trainers.clock import Metrics
from dunwu.trainers.dynamic_sampling import draw_alive, problem_stream
from dunwu.trainers.experience import Experience, make_experience
from dunwu.trainers.group_rewards import GroupRewards
from dunwu.trainers.model_rewards import ModelRewards
from dunwu.trainers.policy_update import PolicyUpdate
from dunwu.trainers.reward_watch import RewardWatch
from dunwu.trainers.state import load_state, save_state
from dunwu.trainers.weights import load_weights, save_weights
from dunwu.types import Reason, Rollout
from dunwu.verifiers.unread import count_unread, tell_verdicts, why_unread

REFERENCE, BEHAVIOUR = "reference.", "behaviour."


class GrpoLearner:
    """The learner of R1-Zero: everything a step needs, and its state in and out of checkpoints."""

    def __init__(
        self,
        config: ZeroConfig,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        engine: Engine,
        pool: RewardPool,
        task: Task,
        run: RunDirectory,
        group_rewards: GroupReward | None = None,
    ) -> None:
        self.config, self.tokenizer, self.engine, self.pool, self.task, self.run = config, tokenizer, engine, pool, task, run
        self.group_rewards = group_rewards or GroupRewards(config, pool.weights, ModelRewards())
        self.algorithm = with_config(algorithm_named(config.grpo.algorithm), config.grpo)
        self.policy = PolicyUpdate(model, self.algorithm, config, pad=padding_id(tokenizer, model) or 0)
        self.sampling = sampling_params(config.sampling, config.template, tokenizer, engine)
        room = model.config.max_position_embeddings - config.sampling.max_tokens
        self.limit = PromptLimit(config.template, tokenizer, min(config.max_prompt_tokens, room))
        self.watch = RewardWatch(config.grpo.steps)
        self.tripwire = None if config.tripwire is None else make_tripwire(config.tripwire)
        self.ahead = Ahead(lambda step: draw_alive(partial(self._draw, step), config.grpo.prompts_per_step, self.algorithm.sampling_rounds))

    def step(self, step: int) -> Metrics:
        """One rollout batch and its updates."""
        began = time.monotonic()
        drawn = self.ahead.take(step)
        sampled = drawn.sampled
        oldest = max(0, step - 1 - self.config.grpo.staleness)
        assert all(r.completion.tokens.versions == {oldest} for r in sampled.rollouts), "the engine sampled with stale weights"
        if self.config.grpo.staleness and step < self.config.grpo.steps:
            self.load_engine(step - 1)
            self.ahead.begin(step + 1)
        self.watch.add(step, [rollout.reward for rollout in sampled.rollouts])
        experience = make_experience(sampled.groups, self.algorithm)
        training = time.monotonic()
        totals = self.policy.learn(experience, step)
        trained = time.monotonic()
        self._after_update(step, sampled, experience, totals.skipped)
        rollout_metrics = self._describe(experience)
        return {
            **rollout_metrics,
            **(self.tripwire.add(r.reward for r in sampled.rollouts) if self.tripwire else {}),
            **(drawn.metrics() if self.algorithm.sampling_rounds > 1 else {}),
            "prompts_too_long": sampled.too_long,
            **totals.metrics(self.algorithm),
            "learning_rate": self.policy.optimiser.learning_rate,
            "step_time": time.monotonic() - began,
            "time/generate": sampled.generate_seconds,
            "time/reward": sampled.reward_seconds,
            "time/train": trained - training,
        }

    @property
    def halted(self) -> str:
        """Why the run must stop: the tripwire, or a reward that fails."""
        reason = self.watch.halted or (self.tripwire.tripped if self.tripwire else "")
        return f"{reason}; look at {self.run.path / 'rollouts'}, fix the reward and begin again from a checkpoint" if reason else ""

    def load_engine(self, version: int) -> None:
        """The policy to the engine: it shares the weights, or with staleness has a copy of its own."""
        state = dict(self.policy.model.named_parameters()) if self.config.grpo.staleness else None
        self.engine.load_weights(version, state)

    def close(self) -> None:
        """Let a generation that was begun ahead come to its end."""
        self.ahead.close()

    def _draw(self, step: int, round: int, count: int) -> SampledGroups:
        """``count`` groups of a sampling round of a step; a function of the configuration, the weights and these three."""
        config, grpo = self.config, self.config.grpo
        first, stream = (step - 1) * grpo.prompts_per_step, problem_stream(config.seed, round)
        found = [fitting(partial(self.task.train, first + i), stream, self.limit) for i in range(count)]
        prompts, too_long = [prompt for prompt, _ in found], sum(tries for _, tries in found)
        seeds = rollout_seeds(config.seed, step, count, grpo.group_size, first=round * grpo.prompts_per_step)
        sampled = sample_groups(self.engine, self.pool, prompts, self.sampling, grpo.group_size, seeds)
        began = time.monotonic()
        groups = self.group_rewards(sampled.groups, step)
        return replace(sampled, groups=groups, reward_seconds=sampled.reward_seconds + time.monotonic() - began, too_long=too_long)

    def _after_update(self, step: int, sampled: SampledGroups, experience: Experience, skipped: int) -> None:
        """New weights to the engine, the reference's renewal, rollouts on disk, a sample on the screen, and the guard's verdict."""
        if not self.config.grpo.staleness:
            self.load_engine(step)
        if self.algorithm.reference_every and step % self.algorithm.reference_every == 0:
            self.policy.renew_reference()
        if step % self.config.dump_rollouts_every == 0 or self.watch.halted:
            self._dump(self.run.rollouts_path(step), sampled, experience, step)
        if step % self.config.sample_every == 0 or step == 1:
            print(f"step {step}: {self._told(sampled.rollouts)}", flush=True)
        if step % self.config.sample_every == 0:
            _show(step, sampled.rollouts[0])
        path = self.run.path / "nonfinite" / f"step-{step:05d}.parquet"
        if skipped:
            self._dump(path, sampled, experience, step)
        rate = f"grpo.learning_rate below {self.config.grpo.learning_rate:g}"
        remedy = f"begin a new run with a {rate}, with --model on one of {self.run.checkpoints} and another --out"
        self.policy.optimiser.count_skipped(step, skipped, str(path), remedy)

    def _told(self, rollouts: Sequence[Rollout]) -> str:
        """How many answers are right, wrong and unparsable, and why."""
        verdicts = Counter(rollout.reward.verdict.reason for rollout in rollouts)
        return tell_verdicts(verdicts, count_unread(why_unread(rollout, str(self.tokenizer.eos_token or "")) for rollout in rollouts))

    def _dump(self, path: Path, sampled: SampledGroups, experience: Experience, step: int) -> None:
        path.parent.mkdir(exist_ok=True)
        write_rollouts(
            path, sampled.groups, experience.reported_advantages(), step, lambda rollout: thinking_tokens(rollout, self.tokenizer)
        )

    def _describe(self, experience: Experience) -> dict[str, float | int | None]:
        """Metrics of the rollouts themselves. Means are over rollouts whose reward did not fail."""
        rollouts = experience.rollouts
        lengths = [rollout.completion.tokens.sampled_count for rollout in rollouts]
        valid = experience.rewards_PG[experience.valid_PG]
        dead = experience.dead_P
        parts = sorted({part for rollout in rollouts for part in rollout.reward.parts})
        return {
            "reward": float(valid.mean()) if len(valid) else None,
            "reward_std": float(valid.std(correction=0)) if len(valid) else None,
            **{name: value for part in parts for name, value in _part_metrics(part, [r.reward.parts.get(part) for r in rollouts]).items()},
            **{f"verdicts/{reason}": _mean([float(r.reward.verdict.reason == reason) for r in rollouts]) for reason in get_args(Reason)},
            "frac_reward_zero_std": float(dead.float().mean()),
            "dead_groups": int(dead.sum()),
            "excluded": int((~experience.valid_PG).sum()),
            "completions/mean_length": sum(lengths) / len(lengths),
            "completions/clipped_ratio": _mean([float(r.completion.finish_reason == "length") for r in rollouts]),
            "thinking_length": _mean([float(thinking_tokens(r, self.tokenizer)) for r in rollouts]),
            "reflections_per_completion": _mean([float(count_reflections(r.completion.text)) for r in rollouts]),
            "num_tokens": sum(lengths),
        }

    def save(self, folder: Path) -> None:
        """The policy as a Hugging Face folder, and beside it optimiser, reference, the engine's older weights and counters."""
        tensors, values = self.policy.optimiser.state()
        tensors |= save_weights(self.policy.model, self.tokenizer, folder, self.config.save_precision)
        tensors |= {REFERENCE + name: tensor for name, tensor in self.policy.reference_parameters().items()}
        if self.config.grpo.staleness:
            tensors |= {BEHAVIOUR + name: tensor for name, tensor in self.engine.weights().items()}
        counters = {
            "policy_version": self.engine.policy_version,
            "entropy": None if self.policy.entropy is None else asdict(self.policy.entropy),
            "tripwire": None if self.tripwire is None else self.tripwire.state(),
            "watch": self.watch.state(),
        }
        save_state(folder, tensors, values | counters)

    def load(self, folder: Path) -> None:
        """Take up a checkpoint: weights are copied into the live model, which the engine shares."""
        tensors, values = load_state(folder)
        load_weights(self.policy.model, folder, tensors)
        self.policy.optimiser.load(tensors, values)
        for name, tensor in self.policy.reference_parameters().items():
            tensor.copy_(tensors[REFERENCE + name])
        self.watch.load(values.get("watch") or RewardWatch(1).state())
        self.policy.entropy = values["entropy"] and EntropyBonus(**values["entropy"])
        if self.tripwire is not None:
            self.tripwire.load(values["tripwire"])
        older = {name.removeprefix(BEHAVIOUR): tensor for name, tensor in tensors.items() if name.startswith(BEHAVIOUR)}
        self.engine.load_weights(values["policy_version"], older or None)


def _part_metrics(part: str, scores: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and population standard deviation over the rollouts the part applies to, and their share."""
    known = [score for score in scores if score is not None]
    return {
        f"rewards/{part}": _mean(known),
        f"rewards/{part}/std": pstdev(known) if known else None,
        f"rewards/{part}/applied": len(known) / len(scores),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _show(step: int, rollout: Rollout) -> None:
    title = f"step {step}: {rollout.prompt.problem.text} -> {rollout.reward.verdict.reason}"
    print_sample(title, rollout.prompt.prefill + rollout.completion.text)
