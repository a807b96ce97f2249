"""Evaluate a policy on a held-out set: k sampled completions a problem, each verified."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import make_prompts, sampling_params
from dunwu.data.rollouts import rollout_seeds, sample_groups
from dunwu.data.usable import PromptLimit, held_out_problems
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.rows import evaluation_row
from dunwu.rewards.pool import RewardPool
from dunwu.rollout.base import Engine

# In the seeds of rollouts, where training has its step numbers from 1 on.
EVALUATION = 0


def evaluate(
    engine: Engine, tokenizer: PreTrainedTokenizerBase, pool: RewardPool, config: EvalConfig, template: str, max_prompt_tokens: int
) -> EvaluationResult:
    """Draw ``config.samples`` completions of each held-out problem and verify them.

    The seed of a completion depends on ``config.seed``, the problem's place and the sample's number alone: more problems or samples
    leave the first ones as they are. Raises ``UserError`` where the task, its data or a prompt is not usable.
    """
    held_out = held_out_problems(config, PromptLimit(template, tokenizer, max_prompt_tokens))
    prompts = make_prompts(held_out.problems, template, tokenizer, max_prompt_tokens)
    seeds = rollout_seeds(config.seed, EVALUATION, len(prompts), config.samples)
    params = sampling_params(config.sampling, template, tokenizer, engine)
    groups = sample_groups(engine, pool, prompts, params, config.samples, seeds).groups
    rows = [evaluation_row(rollout, sample, tokenizer) for group in groups for sample, rollout in enumerate(group.rollouts)]
    return EvaluationResult(held_out.name, config.samples, tuple(rows))
