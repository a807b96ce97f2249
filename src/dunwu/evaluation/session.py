"""The only way to evaluate a policy: k sampled completions per problem, each verified.

Runs, stages, suites and `dunwu eval` all use a session. It ends completions at all stop tokens of the model and of the template, and gives
programs the time that their task allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count

from dunwu.config.blocks import EngineConfig, SamplingConfig
from dunwu.config.template import Template
from dunwu.config.zero import EvalConfig
from dunwu.data.prompts import PromptLimit, make_prompts, sampling_params
from dunwu.data.rollouts import rollout_seeds, sample_groups
from dunwu.data.usable import HeldOutProblems, held_out_problems
from dunwu.evaluation.result import EvaluationResult, spread
from dunwu.evaluation.rows import evaluation_row
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.rollout.base import Engine, OnCompletion, Sampler
from dunwu.rollout.build import build_engine
from dunwu.run.reporter import QUIET, Reporter
from dunwu.types import Problem, Rollout

# Takes the place of the step number in the seeds of rollouts; training uses 1, 2, ...
EVALUATION = 0


@dataclass(frozen=True)
class EvaluationSession:
    """A policy's engine, and the verifiers. Prompts longer than ``max_prompt_tokens`` are rejected, never cut."""

    engine: Engine
    tokenizer: Tokenizer
    pool: RewardPool
    template: Template
    max_prompt_tokens: int
    all_rows: bool = False
    """Use all rows of a data set that is too small for held-out rows, see `held_out_problems`."""
    keeping: Callable[[Sampler], Sampler] | None = None
    """Makes of the engine one that keeps completions on disk (`dunwu.evaluation.kept`)."""

    @classmethod
    @contextmanager
    def open(
        cls,
        model: CausalLM,
        tokenizer: Tokenizer,
        engine: EngineConfig,
        template: Template,
        max_prompt_tokens: int,
        reward_workers: int = 1,
        reward_timeout: float = 5.0,
    ) -> Iterator[EvaluationSession]:
        """A session that owns its engine and verifiers."""
        with (
            RewardPool(rule_reward(), reward_workers, reward_timeout) as pool,
            closing(build_engine(engine, model, tokenizer)) as made,
        ):
            yield cls(made, tokenizer, pool, template, max_prompt_tokens)

    def held_out(self, config: EvalConfig) -> HeldOutProblems:
        """The problems of a set. Raises ``UserError`` if the task, its data or a prompt is not usable."""
        return held_out_problems(config, PromptLimit(self.template, self.tokenizer, self.max_prompt_tokens), self.all_rows)

    def evaluate(self, config: EvalConfig, reporter: Reporter = QUIET, most: int | None = None) -> EvaluationResult:
        """Sample ``config.samples`` completions of each held-out problem and verify them. Raises ``UserError`` like `held_out`.

        ``most``: of no more than this many problems, spread over all (`dunwu.evaluation.result.spread`).
        """
        held_out, done = self.held_out(config), count()
        problems = spread(held_out.problems, most)
        if len(held_out.problems) < config.problems and most is None:
            reporter.warn(f"{held_out.name} has {len(held_out.problems)} {config.split} problems, fewer than problems = {config.problems}")
        name = config.suite or held_out.name
        with reporter.progress(len(problems) * config.samples, f"eval {name}") as advance:
            advance(next(done), {})
            rollouts = self.rollouts(
                problems,
                config.samples,
                config.sampling,
                config.seed,
                on_completion=lambda index, completion: advance(next(done), {}),
            )
        k, columns = config.samples, config.group_by
        rows = [evaluation_row(rollout, index % k, self.tokenizer, columns) for index, rollout in enumerate(rollouts)]
        return EvaluationResult(name, k, tuple(rows))

    def rollouts(
        self,
        problems: Sequence[Problem],
        samples: int,
        sampling: SamplingConfig,
        seed: int,
        verified: bool = True,
        on_completion: OnCompletion | None = None,
    ) -> list[Rollout]:
        """``samples`` completions of each problem, in order, and their verdicts (``unverified`` if not ``verified``).

        The seed of a completion depends only on ``seed``, the problem's index and the sample's number: more problems or samples do not
        change the first ones.
        """
        prompts = make_prompts(problems, self.template, self.tokenizer, self.max_prompt_tokens)
        seeds = rollout_seeds(seed, EVALUATION, len(prompts), samples)
        params = sampling_params(sampling, self.template, self.tokenizer, self.engine)
        sampler = self.engine if self.keeping is None else self.keeping(self.engine)
        return sample_groups(sampler, self.pool if verified else None, prompts, params, samples, seeds, on_completion).rollouts
