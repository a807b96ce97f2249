"""Reward models: what people prefer, as a number that a policy can be trained for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dunwu.config.base import Bound, Config, Seed
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.zero import LoraConfig, SavePrecision

Positive = Annotated[int, Field(ge=1)]
Criterion = Literal["helpfulness", "safety"]


class RewardModelConfig(Config):
    """One run of `dunwu reward-model`. Values are those of `recipes/tiny/reward-model.yaml`; the paper's are `R1_HELPFULNESS`."""

    criterion: Criterion = "helpfulness"
    """helpfulness: pairs (prompt, chosen, rejected), of which the model sees only what a user reads. safety: answers (prompt, completion,
    label) that are safe or unsafe, of which it sees everything."""
    model: ModelRef = "tiny"
    """What it starts from: `tiny` (the bundled base), a local Hugging Face folder or a hub id; a causal model gets a new head."""
    data: DataRef | None = None
    """A `.jsonl`, `.jsonl.gz` or `.parquet` file, or a folder of them."""
    only: dict[str, str] = Field(default_factory=dict)
    """Read only rows whose columns have these values, such as {subset: helpful-base}."""
    max_tokens: Positive = 1024
    """Rows whose prompt and answer have more tokens are left out and counted, never cut."""
    epochs: Positive = 1
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)] = 32
    """Pairs, or answers, of one optimiser step."""
    balance_lengths: bool = True
    """Draw batches in which length says nothing about what is preferred, see `dunwu.data.builders.length_balance`."""
    most_repeats: Positive = 4
    """How often at most a row of the rarer side is used in an epoch of balanced batches."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """The chosen answer's score must exceed the rejected one's by this, times the row's `margin` where it has one; pairs only."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Reached after `warmup_steps`; from there a cosine falls to a tenth."""
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Bound = 1.0
    lora: LoraConfig | None = None
    """Train low-rank adapters and the head instead of all weights, such as {rank: 16}; needs the extra `lora`."""
    micro_batch_tokens: Positive = 4_096
    """Token budget (padding included) of one forward and backward pass; has no effect on the loss."""
    matmul_precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products; weights, the head and everything that sums stay float32."""
    save_precision: SavePrecision = "loaded"
    """Of the weights in checkpoints. loaded: that of the model's files; training itself keeps float32, and so does `--resume`."""
    save_every: Positive = 50
    keep_checkpoints: Positive = 2
    sample_every: Positive = 50
    """Measure the held-out accuracy and print a held-out row with its scores every this many steps."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 takes all cores."""
    seed: Seed = 0


R1_HELPFULNESS = RewardModelConfig(batch_size=256, learning_rate=6e-6, epochs=1, max_tokens=8_192)
"""DeepSeek-R1 in Nature (645:633-638, Methods): 66,000 pairs, batch 256, learning rate 6e-6, one epoch, 8,192 tokens."""
