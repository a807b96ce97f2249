"""Keys that several jobs share, each group in one place. A job inherits a group, so that its keys stay at the top level.

In a configuration written as YAML, the fields of the last base class come first.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from dunwu.config.base import Betas, Bound, Config, Count, Positive, Seed
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.template import PromptTemplate

Precision = Literal["auto", "float32", "bfloat16"]
TrackerName = Literal["tensorboard", "trackio", "wandb", "mlflow"]
SavePrecision = Literal["loaded", "float32", "bfloat16"]
Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class SamplingConfig(Config):
    """How completions are sampled."""

    max_tokens: Positive = 400
    """Tokens of the longest completion."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """0 takes the most likely token every time."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the most likely tokens that together have this probability; 1 keeps all."""
    top_k: Count = 0
    """Sample from this many of the most likely tokens; 0 keeps all."""
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Drop tokens less likely than this share of the most likely one; 0 keeps all."""


class EngineConfig(Config):
    """The built-in engine."""

    max_batch: Positive = 512
    """Sequences decoded together."""
    precision: Precision = "auto"
    """Precision of generation on CUDA, and of the native decoder on a CPU: of its weights, and of its products and cache too if the
    processor multiplies bfloat16; if not, these stay float32. auto: bfloat16 if the device multiplies it, else float32."""
    native: bool = True
    """Use the native decoder if possible (on a CPU, with a C compiler, for a supported model); otherwise torch decodes, on a CPU and MPS
    in the model's precision."""


class LoraConfig(Config):
    """Low-rank adapters on a frozen base (arXiv 2106.09685); the policy is `W + alpha / rank * B A`. There is no dropout, because it would
    train a policy other than the one that the engine samples from."""

    rank: Positive = 16
    """Rank of the adapters' matrices."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """The adapters are scaled by `alpha / rank`."""
    targets: Annotated[tuple[Projection, ...], Field(min_length=1)] = get_args(Projection)
    """Linear maps with an adapter, in every layer."""


class Seeded(Config):
    """A job with random choices."""

    seed: Seed = 0
    """Seed of every random choice."""


def check_device(name: str) -> str:
    """The name of a device, available or not. Raises ``ValueError`` for any other text."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError(f"{name!r} is unknown; expected auto, cpu, cuda, cuda:1 or mps")
    return name


class Machine(Config):
    """A job that computes with a model."""

    device: Annotated[str, AfterValidator(check_device)] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Count = 0
    """CPU threads; 0 uses all cores."""


class OfModel(Config):
    """A job about one model."""

    model: ModelRef = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""


class Answering(OfModel):
    """A model that completes prompts in the job's process."""

    template: PromptTemplate = "tiny"
    """Prompt template: a name (chat: the tokenizer's own), a block with keys of its own, such as {system: r1}, Jinja, or a file of either
    (.yaml, .jinja)."""
    engine: EngineConfig = EngineConfig()
    """The built-in engine."""


class Verifying(Config):
    """A job that verifies completions."""

    reward_workers: Count = 1
    """Processes that verify and compute rewards during generation; 0 uses the job's own process."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one reward or verdict, besides the time limit of a program; a slower one is killed and recorded as `timeout`."""


class Measuring(Machine, Verifying, Answering):
    """A job that measures a model."""

    max_prompt_tokens: Positive = 4096
    """Longer prompts are refused, never cut."""


ABSENT = "(absent)"
"""The value of a key that a configuration does not have, as of a run from before there was this key."""


class Saving(Config):
    """A training run that saves checkpoints and shows samples."""

    save_every: Positive = 50
    """Save a checkpoint every this many steps."""
    keep_checkpoints: Positive = 2
    """Newest valid checkpoints kept; the final one is always kept."""
    sample_every: Positive = 50
    """Show a sample completion every this many steps."""
    report_to: tuple[TrackerName, ...] = ()
    """Experiment trackers that get the metrics: tensorboard, trackio, wandb, mlflow, one or a list; null or none: none. Needs the extra
    `trackers` or the packages. May change when a run is resumed."""

    @field_validator("report_to", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        """One name as a list, and TRL's `none` as no name."""
        if value is None or value == "none":
            return ()
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    def resume_may_change(self, key: str, old: Any, new: Any) -> bool:
        """Whether a run may resume with another value of a dotted key, because training does not depend on it, or because the key is newer
        than the run and has its default."""
        free = key.partition(".")[0] in ("save_every", "keep_checkpoints", "report_to")
        return free or (old == ABSENT and not _was_set(self, key))


def _was_set(config: Config, key: str) -> bool:
    """Whether somebody has set a dotted key."""
    node: Any = config
    *parents, last = key.split(".")
    for part in parents:
        node = node[int(part)] if isinstance(node, tuple) else getattr(node, part, None)
    return not isinstance(node, Config) or last in node.model_fields_set


class Budgeted(Config):
    """Training that may end with its compute."""

    budget: ModelRef | None = None
    """A checkpoint of another run: training ends after the first step with which its FLOPs reach those of that run up to the checkpoint,
    evaluations and teacher not counted; the number of steps or epochs is then only the most. null: no such end."""
    budget_with: dict[str, DataRef] = Field(default_factory=dict)
    """What stages of a pipeline have made, by any names, such as a teacher's rows: their FLOPs count to the budget as well."""
    budget_share: Annotated[float, Field(gt=0)] = 1.0
    """The budget as a share of those FLOPs."""


class Optimising(Config):
    """The optimiser, AdamW."""

    section: ClassVar[str] = ""
    """What stands before its keys in the configuration."""
    max_learning_rate: Bound = 0.1
    """A higher learning rate is refused as a mistake: AdamW moves each weight by about the learning rate in a step, and weights are about
    0.02 in size. Raise it if you mean it; `.inf` allows any."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak learning rate, reached after `warmup_steps`."""
    warmup_steps: Count = 0
    """Steps over which the learning rate rises linearly."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay, of matrices only."""
    max_grad_norm: Bound = 1.0
    """Gradients with a larger norm are scaled down to it; `.inf` never scales."""
    micro_batch_tokens: Positive = 4_096
    """Token budget (padding included) of one forward and backward pass; has no effect on the loss."""

    @field_validator("learning_rate")
    @classmethod
    def _can_be_meant(cls, rate: float, info: ValidationInfo) -> float:
        highest = info.data.get("max_learning_rate", math.inf)
        if rate > highest:
            usual = "usual are 1e-6 to 1e-3, with LoRA up to ten times as much"
            remedy = f"if you mean it, set {cls.section}max_learning_rate={rate:g} too"
            raise ValueError(f"{rate:g} is above max_learning_rate = {highest:g}; {usual}; {remedy}")
        return rate


def rate_in_words(config: Optimising) -> str:
    """The learning rate, and its warm-up if there is one."""
    steps = f"{config.warmup_steps} step{'' if config.warmup_steps == 1 else 's'}"
    return f"learning rate {config.learning_rate:g}" + (f", after a warm-up over {steps}" if config.warmup_steps else "")


class PolicyOptimising(Optimising):
    """The optimiser of a policy."""

    adam_betas: Betas = (0.9, 0.95)
    """AdamW's decay rates."""
    max_nonfinite_in_a_row: Positive = 5
    """Consecutive skipped steps (NaN, infinity) after which training stops."""


class Weights(Config):
    """The trained weights of a model, and how they are saved."""

    lora: LoraConfig | None = None
    """Train low-rank adapters instead of all weights, such as {rank: 16}; needs the extra `lora`. null: all weights."""
    save_precision: SavePrecision = "loaded"
    """Precision of the weights in checkpoints. loaded: that of the model's files. Training and `--resume` use float32 in any case."""


class PolicyWeights(Weights):
    """How a policy's forward and backward passes are computed."""

    gradient_checkpointing: bool = False
    """Keep only the input of each layer for the backward pass and compute the rest again: less memory, about a third more time."""
    matmul_precision: Precision = "auto"
    """Precision of the trainer's matrix products; everything else stays float32 (not attention on CUDA). auto: by the native
    scorer where it can be built, bfloat16 on a CPU with AMX, else float32; by torch elsewhere, bfloat16 on CUDA if the device has it, else
    float32. float32: by torch. bfloat16: by torch where there is no AMX."""


class HeldOut(Seeded):
    """Problems of an eval set."""

    split: Literal["validation", "test"] = "test"
    """The task's split."""
    problems: Positive = 200
    """Number of problems; if the split has more, they are drawn at random."""


class HeldOutSamples(HeldOut):
    """An eval set with sampled completions."""

    samples: Positive = 4
    """Completions per problem (k of pass@k and majority@k)."""
    sampling: SamplingConfig = SamplingConfig()
    """How they are sampled."""
