"""Pre-training of the tiny base model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dunwu.config.base import Bound, Config, Seed

Positive = Annotated[int, Field(ge=1)]


class ModelShape(Config):
    """A Llama-type decoder with tied embeddings."""

    hidden: Positive = 128
    layers: Positive = 5
    heads: Positive = 4
    kv_heads: Positive = 2
    intermediate: Positive = 384
    max_positions: Positive = 1024


class PretrainConfig(Config):
    """Next-token training on the generated corpus of the tiny world."""

    shape: ModelShape = ModelShape()
    sources: dict[str, Annotated[float, Field(ge=0)]] | None = None
    """Weights of the corpus sources; `None`: `dunwu.data.tiny_world.corpus.DEFAULT_WEIGHTS`."""
    tokens: Positive = 27_000_000
    sequence_length: Positive = 512
    batch_tokens: Positive = 16_384
    """Tokens of one optimiser step."""
    micro_batch_tokens: Positive = 4_096
    """Token budget (padding included) of one forward and backward pass."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    min_learning_rate: Annotated[float, Field(ge=0)] = 1e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    max_grad_norm: Bound = 1.0
    save_every: Positive = 500
    keep_checkpoints: Positive = 2
    sample_every: Positive = 500
    threads: Annotated[int, Field(ge=0)] = 0
    matmul_precision: Literal["float32", "bfloat16"] = "bfloat16"
    device: str = "auto"
    seed: Seed = 0
