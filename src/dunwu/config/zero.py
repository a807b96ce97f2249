"""R1-Zero: pure reinforcement learning on a base model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dunwu.config.base import Config
from dunwu.config.tasks import CountdownTask, TaskConfig, WeightedTask

Positive = Annotated[int, Field(ge=1)]


class GrpoConfig(Config):
    """The learner. Values are those of `recipes/tiny/zero.yaml`; papers' values are presets (`dunwu.config.presets`)."""

    algorithm: str = "grpo-r1"
    """Name of a value in `dunwu.algorithms.recipes`."""
    steps: Positive = 56
    """Rollout batches. Each gives `rollout_batches_reuse * minibatches` optimiser updates."""
    prompts_per_step: Positive = 64
    group_size: Annotated[int, Field(ge=2)] = 8
    minibatches: Positive = 1
    """Optimiser updates per pass over a rollout batch."""
    inner_epochs: Positive = 1
    """Passes over the same rollouts; above 1 (or with minibatches) old logprobs are computed by the trainer."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    adam_betas: tuple[float, float] = (0.9, 0.95)
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    """Lower clip: ratio >= 1 - clip_low."""
    clip_high: Annotated[float, Field(gt=0)] = 0.2
    """Upper clip: ratio <= 1 + clip_high."""
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL to the reference in the loss; at 0 no reference is held and no reference pass is made."""
    reference_every: Annotated[int, Field(ge=0)] = 400
    """Reference := policy every this many steps; 0 keeps the base model."""
    micro_batch_tokens: Positive = 4_096
    """Token budget (padding included) of one forward and backward pass; has no effect on the loss."""
    max_nonfinite_in_a_row: Positive = 5
    """Consecutive skipped steps (NaN, Inf) after which training stops."""


class SamplingConfig(Config):
    """How rollouts, or evaluation samples, are drawn."""

    max_tokens: Positive = 320
    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0


class EngineConfig(Config):
    """The built-in engine."""

    max_batch: Positive = 512
    """Sequences decoded together."""


class EvalConfig(Config):
    """Held-out evaluation before, during and after training."""

    task: TaskConfig = CountdownTask()
    split: Literal["validation", "test"] = "test"
    problems: Positive = 200
    samples: Positive = 4
    """Completions per problem (k of pass@k and majority@k)."""
    sampling: SamplingConfig = SamplingConfig()
    seed: Annotated[int, Field(ge=0)] = 0


class ZeroConfig(Config):
    """One R1-Zero run."""

    model: str = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
    tasks: tuple[WeightedTask, ...] = (WeightedTask(task=CountdownTask()),)
    template: Literal["tiny", "r1-zero", "r1-zero-prefilled", "chat"] = "tiny"
    """Prompt template, see `dunwu.tasks.templates`."""
    grpo: GrpoConfig = GrpoConfig()
    sampling: SamplingConfig = SamplingConfig()
    engine: EngineConfig = EngineConfig()
    evaluations: tuple[EvalConfig, ...] = (EvalConfig(),)
    """Held-out sets measured before and after (names: their task's kind)."""
    accuracy_weight: float = 1.0
    format_weight: float = 1.0
    max_prompt_tokens: Positive = 1024
    """Longer prompts are refused when the data set is read, never cut."""
    reward_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that compute rewards while generation goes on; 0 computes them in the trainer's own."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one reward; a slower one is killed and recorded as `timeout`."""
    save_every: Positive = 20
    keep_checkpoints: Positive = 2
    """Newest whole checkpoints kept; the final one is always kept."""
    sample_every: Positive = 10
    """Print a sample completion every this many steps."""
    dump_rollouts_every: Positive = 10
    """Write all rollouts of every n-th step to `rollouts/`."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 takes all cores."""
    matmul_precision: Literal["float32", "bfloat16"] = "float32"
    """Precision inside matrix multiplications; weights, sums and everything else stay float32."""
    seed: Annotated[int, Field(ge=0)] = 0
