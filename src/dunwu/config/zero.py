"""R1-Zero: pure reinforcement learning on a base model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from dunwu.config.base import Betas, Bound, Config, Seed
from dunwu.config.references import ModelRef
from dunwu.config.rewards import AccuracyPart, FormatPart, Parts, TripwireConfig
from dunwu.config.tasks import CountdownTask, TaskConfig, WeightedTask

Positive = Annotated[int, Field(ge=1)]
Precision = Literal["auto", "float32", "bfloat16"]
SavePrecision = Literal["loaded", "float32", "bfloat16"]
PromptTemplate = Literal["tiny", "r1-zero", "r1-zero-prefilled", "plain", "chatml", "llama3", "deepseek", "chat", "auto"]
"""`dunwu.data.prompts`: the text templates of `dunwu.tasks.templates`, the forms of `dunwu.models.chat`, and the tokenizer's own chat
template, `chat` or, as in supervised fine-tuning, `auto`."""


class GrpoConfig(Config):
    """The learner. Values are those of `recipes/tiny/zero.yaml`; papers' values are presets (`dunwu.config.presets`).

    What is left at null is the algorithm's own: `dunwu.algorithms.recipes` has the numbers, `dunwu zero` prints them when it begins.
    """

    algorithm: str = "grpo-r1"
    """Name of a value in `dunwu.algorithms.recipes`."""
    steps: Positive = 150
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
    adam_betas: Betas = (0.9, 0.95)
    max_grad_norm: Bound = 1.0
    clip_low: Annotated[float, Field(gt=0)] | None = None
    """Lower clip: ratio >= 1 - clip_low. null: the algorithm's own."""
    clip_high: Bound | None = None
    """Upper clip: ratio <= 1 + clip_high. null: the algorithm's own."""
    beta: Annotated[float, Field(ge=0)] | None = None
    """Weight of the KL to the reference in the loss; at 0 no reference is held and no reference pass is made. null: the algorithm's own."""
    reference_every: Annotated[int, Field(ge=0)] | None = None
    """Reference := policy every this many steps; 0 keeps the base model. null: the algorithm's own."""
    max_sampling_rounds: Positive | None = None
    """Dynamic sampling: groups of equal rewards are replaced by groups of further prompts, in at most this many rounds of sampling a step,
    the first included; 1 switches it off. null: the algorithm's own."""
    staleness: Annotated[int, Field(ge=0, le=1)] = 0
    """1: the next step's rollouts are generated during the update, by the weights before it, with a second copy of the weights; needs
    tis_clip. For a device with room for both at once; on a few CPU cores they only take turns."""
    tis_clip: Annotated[float, Field(ge=0, allow_inf_nan=True)] = 0.0
    """Upper bound of the importance weight exp(old - behaviour) that corrects for the engine's mismatch, such as 2; 0 makes none."""
    tis_mode: Literal["token", "output", "token-mask", "output-mask"] = "token"
    """Weight per token or per output; above the bound it is cut to it, or with `-mask` made 0."""
    entropy_bonus: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the policy's entropy in the loss, which raises it; with a target, the weight of the first step."""
    entropy_target: Annotated[float, Field(gt=0)] | None = None
    """Entropy (nats a token) towards which the weight of the bonus is moved; null keeps the weight."""
    entropy_step: Annotated[float, Field(gt=0)] = 0.005
    """How much the weight of the bonus moves in a step."""
    covariance_control: Literal["clip-cov", "kl-cov"] | None = None
    """Holds back the tokens that lower the entropy most: no gradient (clip-cov) or a KL penalty (kl-cov); null: neither."""
    covariance_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of an update's tokens that is held back; null: the paper's, 2e-4 for clip-cov and 2e-3 for kl-cov."""
    micro_batch_tokens: Positive = 4_096
    """Token budget (padding included) of one forward and backward pass; has no effect on the loss."""
    max_nonfinite_in_a_row: Positive = 5
    """Consecutive skipped steps (NaN, Inf) after which training stops."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if 0 < self.tis_clip < 1:
            raise ValueError(f"tis_clip = {self.tis_clip:g} would shrink tokens without any mismatch; set it to 1 or more, such as 2, or 0")
        if self.tis_clip == 0 and self.tis_mode != "token":
            raise ValueError(f"tis_mode = {self.tis_mode!r} does nothing while tis_clip is 0; set tis_clip too, such as 2")
        if self.staleness and self.tis_clip == 0:
            raise ValueError("staleness = 1 samples from an older policy, uncorrected while tis_clip is 0; set tis_clip too, such as 2")
        if self.entropy_bonus == 0 and self.entropy_target is not None:
            raise ValueError(f"entropy_target = {self.entropy_target:g} needs a bonus to move; set entropy_bonus too, such as 0.005")
        if self.covariance_control is None and self.covariance_share is not None:
            raise ValueError(f"covariance_share = {self.covariance_share:g} needs a covariance_control; set it too, such as 'clip-cov'")
        if self.covariance_control == "kl-cov" and self.minibatches * self.inner_epochs == 1:
            raise ValueError("covariance_control = 'kl-cov' does nothing in a single update a step; set minibatches or inner_epochs to 2")
        return self


class SamplingConfig(Config):
    """How rollouts, or evaluation samples, are drawn."""

    max_tokens: Positive = 400
    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0


Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class LoraConfig(Config):
    """Low-rank adapters on a frozen base (arXiv 2106.09685); the policy is `W + alpha / rank * B A`."""

    rank: Positive = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """The adapters are scaled by `alpha / rank`."""
    dropout: float = 0.0
    """Only 0: the engine samples without dropout, so a policy trained with it would not be the one that samples."""
    targets: Annotated[tuple[Projection, ...], Field(min_length=1)] = get_args(Projection)
    """Linear maps that get an adapter, in every layer."""

    @field_validator("dropout")
    @classmethod
    def _check_dropout(cls, dropout: float) -> float:
        if dropout != 0:
            raise ValueError(f"{dropout:g} would train another policy than the one the engine samples; leave it at 0")
        return dropout


class EngineConfig(Config):
    """The built-in engine."""

    max_batch: Positive = 512
    """Sequences decoded together."""
    precision: Precision = "auto"
    """Of the native decoder's matrix products and cache. auto: bfloat16 on a CPU that multiplies it, else float32."""
    native: bool = True
    """Decode with the native decoder where there is one: a CPU, a C compiler, a model it knows; else torch decodes in the model's type."""


class EvalConfig(Config):
    """Held-out evaluation before, during and after training."""

    task: TaskConfig = CountdownTask()
    split: Literal["validation", "test"] = "test"
    problems: Positive = 200
    samples: Positive = 4
    """Completions per problem (k of pass@k and majority@k)."""
    sampling: SamplingConfig = SamplingConfig()
    seed: Seed = 0


RESUME_MAY_CHANGE = frozenset({"save_every", "keep_checkpoints", "sample_every", "dump_rollouts_every", "reward_workers", "reward_timeout"})
"""Keys of `ZeroConfig` that a resumed run may have other values of: they change nothing that is learned."""


def resume_may_change(key: str, old: Any, new: Any) -> bool:
    """Whether a run may go on with another value of a key; `max_prompt_tokens` may be raised, which lets in what would have stopped it."""
    return key in RESUME_MAY_CHANGE or (key == "max_prompt_tokens" and new > old)


class ZeroConfig(Config):
    """One R1-Zero run."""

    model: ModelRef = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
    tasks: tuple[WeightedTask, ...] = (WeightedTask(task=CountdownTask()),)
    template: PromptTemplate = "tiny"
    """Prompt template."""
    grpo: GrpoConfig = GrpoConfig()
    lora: LoraConfig | None = None
    """Train low-rank adapters instead of all weights, such as {rank: 16}; needs the extra `lora`."""
    gradient_checkpointing: bool = False
    """Keep only the input of each layer for the backward pass and compute the rest again: less memory, about a third more time."""
    sampling: SamplingConfig = SamplingConfig()
    engine: EngineConfig = EngineConfig()
    evaluations: tuple[EvalConfig, ...] = (EvalConfig(),)
    """Held-out sets measured before and after (names: their task's kind)."""
    reward: Parts = (AccuracyPart(), FormatPart())
    """What the learner is rewarded for: parts with weights, such as `[accuracy, format, {kind: language, weight: 0.5}]`, or a function of
    yours, `path/to/file.py:function`."""
    tripwire: TripwireConfig | None = None
    """A hidden, stricter check of a sample of the rollouts; it stops the run when the reward is being hacked. null: none."""
    overlong_tokens: Annotated[int, Field(ge=0)] = 0
    """Soft overlong punishment: over the last so many tokens before sampling.max_tokens the reward falls by up to 1; 0 makes none."""
    cosine_length_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the cosine length reward (arXiv 2502.03373): right answers lose by being long, wrong ones by being short; 0 makes none."""
    max_prompt_tokens: Positive = 1024
    """Longer prompts are never cut: rows of a data set that have one are refused when it is read, or dropped (`unusable` of the task); a
    generated problem gives way to another one. May be raised when a run is resumed."""
    reward_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that compute rewards while generation goes on; 0 computes them in the trainer's own."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one reward, besides those a program may take; a slower one is killed and recorded as `timeout`."""
    save_precision: SavePrecision = "loaded"
    """Of the weights in checkpoints. loaded: that of the model's files; training itself keeps float32, and so does `--resume`."""
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
    matmul_precision: Precision = "auto"
    """Of the trainer's matrix products; weights, sums and everything else stay float32. auto: bfloat16 by the native scorer on a CPU that
    has tiles for it (AMX) and a C compiler, else float32."""
    seed: Seed = 0

    @field_validator("sampling")
    @classmethod
    def _check_sampling(cls, sampling: SamplingConfig) -> SamplingConfig:
        """Equal completions teach nothing. The learner computes probabilities over the whole vocabulary; those of tokens drawn from a part
        of it would be others.
        """
        if sampling.temperature == 0:
            raise ValueError("temperature = 0 draws one completion for the whole group, which teaches nothing; set it above 0, such as 1")
        for name, off in (("top_p", 1.0), ("top_k", 0), ("min_p", 0.0)):
            if (value := getattr(sampling, name)) != off:
                raise ValueError(
                    f"{name} = {value:g} cuts off tokens that the learner counts, so its ratios would be wrong; leave it at {off:g}"
                    " and use temperature (evaluations may cut off)"
                )
        return sampling

    @model_validator(mode="after")
    def _check_overlong(self) -> Self:
        if self.overlong_tokens > self.sampling.max_tokens:
            raise ValueError(
                f"overlong_tokens = {self.overlong_tokens} is more than sampling.max_tokens = {self.sampling.max_tokens}; "
                "set it to a part of that, such as a fifth"
            )
        return self
