"""New models: random weights of a shape, and pre-training on the text of the tiny world."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config, Count, Positive
from dunwu.config.blocks import Machine, Optimising, Precision, Saving, Seeded
from dunwu.config.references import ModelRef

Family = Literal["llama", "qwen2", "qwen3"]


class ModelShape(Config):
    """A decoder with tied embeddings."""

    family: Family = "llama"
    """The architecture: llama, qwen2 (biases at queries, keys and values) or qwen3 (norms of queries and keys)."""
    hidden: Positive = 128
    """Width of the residual stream."""
    layers: Positive = 5
    """Decoder layers."""
    heads: Positive = 4
    """Attention heads."""
    kv_heads: Positive = 2
    """Key and value heads, shared by the attention heads."""
    intermediate: Positive = 384
    """Width of the feed-forward layer."""
    max_positions: Positive = 1024
    """Tokens of the longest sequence."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError(
                f"hidden = {self.hidden}, heads = {self.heads}, kv_heads = {self.kv_heads}: hidden must be a multiple of 2 * heads,"
                " and heads of kv_heads"
            )
        return self


class NewModelConfig(Seeded):
    """A model with random weights."""

    shape: ModelShape = ModelShape()
    """The model's dimensions."""
    tokenizer: ModelRef = "tiny"
    """The model whose tokenizer it takes."""


class PretrainConfig(Seeded, Saving, Machine, Optimising):
    """Next-token training on the generated corpus of the tiny world."""

    shape: ModelShape = ModelShape()
    """The model's dimensions."""
    tokenizer: ModelRef | None = None
    """A model whose tokenizer the new one takes; null: a tokenizer is trained on the corpus."""
    sources: dict[str, Annotated[float, Field(ge=0)]] | None = None
    """Weights of the corpus sources; null: `dunwu.data.tiny_world.corpus.DEFAULT_WEIGHTS`."""
    tokens: Positive = 27_000_000
    """Tokens to train on."""
    sequence_length: Positive = 512
    """Tokens of one training sequence."""
    batch_tokens: Positive = 16_384
    """Tokens of one optimiser step."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    min_learning_rate: Annotated[float, Field(ge=0)] = 1e-4
    """Learning rate of the last step, after a cosine decay."""
    warmup_steps: Count = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    save_every: Positive = 500
    sample_every: Positive = 500
    matmul_precision: Precision = "auto"
    """Precision of the matrix products, as of `sft`."""
