"""Reward models, which score answers by what people prefer or by safety."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dunwu.config.base import Count, Positive
from dunwu.config.blocks import Machine, OfModel, Optimising, Saving, Seeded, Weights
from dunwu.config.references import DataRef, ModelRef

Criterion = Literal["helpfulness", "safety"]


class RewardModelConfig(Seeded, Saving, Machine, Optimising, Weights, OfModel):
    """One run of `dunwu reward-model`. Values are those of `recipes/tiny/reward-model.yaml`; the paper's are `R1_HELPFULNESS`."""

    criterion: Criterion = "helpfulness"
    """helpfulness: trained on pairs (prompt, chosen, rejected); sees only what a user reads. safety: trained on completions labelled safe
    or unsafe (prompt, completion, label); sees everything."""
    model: ModelRef = "tiny"
    """Initial model: `tiny` (the bundled base), a local Hugging Face folder or a hub id; a causal model gets a new head."""
    data: DataRef | None = None
    """A file or folder of pairs or labelled answers in any format of docs/data.md; null: the command's `--data`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of the files, which may be nested, by our names: {prompt: question, chosen: better, rejected: worse}."""
    only: dict[str, str] = Field(default_factory=dict)
    """Read only rows whose columns have these values, such as {subset: helpful-base}."""
    max_tokens: Positive = 1024
    """Rows whose prompt and answer have more tokens are dropped and counted, never cut."""
    epochs: Positive = 1
    """Passes over the data."""
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)] = 32
    """Pairs, or labelled completions, in one optimiser step."""
    balance_lengths: bool = True
    """Balance batches such that length does not predict preference, see `dunwu.data.builders.length_balance`."""
    most_repeats: Positive = 4
    """Times a row of the rarer side may be used in an epoch of balanced batches."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """The chosen answer's score must exceed the rejected one's by this, times the row's `margin` if it has one; pairs only."""
    warmup_steps: Count = 10
    """Steps over which the learning rate rises linearly; then it decays along a cosine to a tenth."""
    matmul_precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the matrix products; weights, the head and sums stay float32."""
    sample_every: Positive = 50
    """Evaluate held-out accuracy and show a held-out row with its scores every this many steps."""


R1_HELPFULNESS = RewardModelConfig(batch_size=256, learning_rate=6e-6, epochs=1, max_tokens=8_192)
"""DeepSeek-R1 in Nature (645:633-638, Methods): 66,000 pairs, batch 256, learning rate 6e-6, one epoch, 8,192 tokens."""
