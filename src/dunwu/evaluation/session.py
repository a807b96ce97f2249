"""The one way in which a policy is measured: k sampled completions a problem, each verified.

Runs, stages, suites and `dunwu eval` all hold a session. It ends completions at all stop tokens of the model and of the template, and gives
programs the time that their task allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from dunwu.config.blocks import EngineConfig, SamplingConfig
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import PromptLimit, make_prompts, sampling_params
from dunwu.data.rollouts import rollout_seeds, sample_groups
from dunwu.data.usable import HeldOutProblems, held_out_problems
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.rows import evaluation_row
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.rollout.base import Engine, OnCompletion
from dunwu.rollout.build import build_engine
from dunwu.types import Problem, Rollout

# In the seeds of rollouts, where training has its step numbers from 1 on.
EVALUATION = 0


@dataclass(frozen=True)
class EvaluationSession:
    """A policy that samples, and the verifiers. Prompts longer than ``max_prompt_tokens`` are refused, never cut."""

    engine: Engine
    tokenizer: Tokenizer
    pool: RewardPool
    template: str
    max_prompt_tokens: int
    whole: bool = False
    """Ask all rows of a data set that is too small for held-out rows, see `held_out_problems`."""

    @classmethod
    @contextmanager
    def open(
        cls,
        model: CausalLM,
        tokenizer: Tokenizer,
        engine: EngineConfig,
        template: str,
        max_prompt_tokens: int,
        reward_workers: int = 1,
        reward_timeout: float = 5.0,
    ) -> Iterator[EvaluationSession]:
        """A session with an engine and verifiers of its own."""
        with (
            RewardPool(rule_reward(), reward_workers, reward_timeout) as pool,
            closing(build_engine(engine, model, tokenizer)) as made,
        ):
            yield cls(made, tokenizer, pool, template, max_prompt_tokens)

    def held_out(self, config: EvalConfig) -> HeldOutProblems:
        """The problems of a set. Raises ``UserError`` where the task, its data or a prompt is not usable."""
        return held_out_problems(config, PromptLimit(self.template, self.tokenizer, self.max_prompt_tokens), self.whole)

    def evaluate(self, config: EvalConfig) -> EvaluationResult:
        """Draw ``config.samples`` completions of each held-out problem and verify them. Raises ``UserError`` as `held_out`."""
        held_out = self.held_out(config)
        rollouts = self.rollouts(held_out.problems, config.samples, config.sampling, config.seed)
        rows = [evaluation_row(rollout, place % config.samples, self.tokenizer) for place, rollout in enumerate(rollouts)]
        return EvaluationResult(held_out.name, config.samples, tuple(rows))

    def rollouts(
        self,
        problems: Sequence[Problem],
        samples: int,
        sampling: SamplingConfig,
        seed: int,
        verified: bool = True,
        on_completion: OnCompletion | None = None,
    ) -> list[Rollout]:
        """``samples`` completions of each problem, in order, and their verdicts (``unverified`` where not ``verified``).

        The seed of a completion depends on ``seed``, the problem's place and the sample's number alone: more problems or samples leave the
        first ones as they are.
        """
        prompts = make_prompts(problems, self.template, self.tokenizer, self.max_prompt_tokens)
        seeds = rollout_seeds(seed, EVALUATION, len(prompts), samples)
        params = sampling_params(sampling, self.template, self.tokenizer, self.engine)
        return sample_groups(self.engine, self.pool if verified else None, prompts, params, samples, seeds, on_completion).rollouts
