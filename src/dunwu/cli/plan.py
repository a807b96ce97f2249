"""The size of a run in numbers, for `--dry-run`."""

from __future__ import annotations

from dunwu.config.pretrain import PretrainConfig
from dunwu.config.zero import ZeroConfig


def zero_plan(config: ZeroConfig) -> list[str]:
    """Rollouts, tokens (an upper bound: completions may be shorter), updates and evaluations of an R1-Zero run."""
    grpo = config.grpo
    per_step = grpo.prompts_per_step * grpo.group_size
    rollouts = grpo.steps * per_step
    replaced = ", without the groups that dynamic sampling replaces" if (grpo.max_sampling_rounds or 1) > 1 else ""
    updates = grpo.steps * grpo.minibatches * grpo.inner_epochs
    lines = [
        f"rollouts: {rollouts:,} ({grpo.steps:,} steps of {grpo.prompts_per_step} prompts x {grpo.group_size})",
        f"tokens: at most {rollouts * config.sampling.max_tokens:,} in completions{replaced}",
        f"updates: {updates:,}",
        f"checkpoints: every {config.save_every} steps, keeping the newest {config.keep_checkpoints}",
    ]
    for evaluation in config.evaluations:
        count = evaluation.problems * evaluation.samples
        lines.append(f"evaluation, before and after: {evaluation.task.kind} {evaluation.split}, {count:,} completions")
    return lines


def pretrain_plan(config: PretrainConfig) -> list[str]:
    """Tokens and updates of a pre-training run."""
    return [
        f"tokens: {config.tokens:,}",
        f"updates: {max(1, config.tokens // config.batch_tokens):,} of {config.batch_tokens:,} tokens",
        f"checkpoints: every {config.save_every} updates, keeping the newest {config.keep_checkpoints}",
    ]
