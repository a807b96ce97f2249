"""Supervised fine-tuning on conversations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from dunwu.config.base import Betas, Bound, Config, Seed
from dunwu.config.presets import PresetValue
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.zero import EngineConfig, LoraConfig, Precision, SamplingConfig, SavePrecision

Positive = Annotated[int, Field(ge=1)]


class SftConfig(Config):
    """One run of supervised fine-tuning. The paper's values are `R1_SFT`."""

    model: ModelRef = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of such: rows `messages`, or `prompt` and `completion`."""
    validation: DataRef | None = None
    """The same, held out: its loss is measured before, during and after training. null: none."""
    template: Literal["plain", "tiny", "r1-zero", "chatml", "llama3", "deepseek", "auto"] = "tiny"
    """Training template, see `dunwu.models.chat`; auto: the tokenizer's own, if it keeps all reasoning."""
    epochs: Positive = 2
    """Passes over the data, each in an order of its own."""
    batch_size: Positive = 32
    """Conversations in an update; the last update of an epoch may have fewer."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """After the warm-up; from there it falls along a cosine."""
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    """At the last update, as a share of `learning_rate`."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    adam_betas: Betas = (0.9, 0.95)
    max_grad_norm: Bound = 1.0
    max_length: Positive | None = None
    """Tokens of the longest conversation. null: the positions the model has."""
    overlong: Literal["refuse", "drop"] = "refuse"
    """What is done with a longer one: the run is refused, or the row is dropped and counted. It is never cut."""
    micro_batch_tokens: Positive = 4_096
    """Tokens packed into one forward and backward pass; has no effect on the loss."""
    max_nonfinite_in_a_row: Positive = 5
    """Consecutive skipped updates (NaN, Inf) after which training stops."""
    lora: LoraConfig | None = None
    """Train low-rank adapters instead of all weights, such as {rank: 16}; needs the extra `lora`."""
    gradient_checkpointing: bool = False
    """Keep only the input of each layer for the backward pass and compute the rest again: less memory, about a third more time."""
    evaluate_every: Positive = 50
    """Measure the validation loss every this many updates, and after the last."""
    sample_every: Positive = 50
    """Print a completion of the model's own every this many updates, and after the last."""
    sampling: SamplingConfig = SamplingConfig(temperature=0.6, top_p=0.95)
    """How it is drawn."""
    engine: EngineConfig = EngineConfig()
    save_precision: SavePrecision = "loaded"
    """Of the weights in checkpoints. loaded: that of the model's files; training itself keeps float32, and so does `--resume`."""
    save_every: Positive = 50
    keep_checkpoints: Positive = 2
    """Newest whole checkpoints kept; the final one is always kept."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 takes all cores."""
    matmul_precision: Precision = "auto"
    """Of the matrix products; weights, sums and everything else stay float32. auto: bfloat16 by the native scorer on a CPU that has
    tiles for it (AMX) and a C compiler, else float32."""
    seed: Seed = 0


R1_SFT: Mapping[str, PresetValue] = MappingProxyType(
    {
        "epochs": PresetValue(2, "v1 section 2.3.3: two epochs on the 800k samples (S: 2-3)"),
        "batch_size": PresetValue(128, "S: batch of the 800k SFT"),
        "learning_rate": PresetValue(5e-5, "S: cosine from 5e-5"),
        "final_learning_rate": PresetValue(0.1, "S: to 5e-6"),
        "warmup_steps": PresetValue(0, "not stated, our default"),
        "max_length": PresetValue(32_768, "S: context length"),
    }
)
"""Overrides onto `SftConfig` for R1's stage 3, from the base model (the cold start's own are not stated). v1 and S as in `presets`: arXiv
2501.12948v1 and the supplement of Nature 645:633-638."""
