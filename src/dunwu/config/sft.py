"""Supervised fine-tuning on conversations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from dunwu.config.base import Positive
from dunwu.config.blocks import Budgeted, EngineConfig, Machine, OfModel, PolicyOptimising, PolicyWeights, SamplingConfig, Saving, Seeded
from dunwu.config.presets import PresetValue
from dunwu.config.references import DataRef
from dunwu.config.template import SftTemplate


class SftTraining(Saving, PolicyOptimising, PolicyWeights):
    """How a model is fine-tuned on conversations."""

    template: SftTemplate = "tiny"
    """Training template, see `dunwu.models.chat`; auto: the tokenizer's own, if it keeps all reasoning. Or a block, such as
    {system: r1}, Jinja, or a file of either (.yaml, .jinja)."""
    epochs: Positive = 2
    """Passes over the data."""
    order: Literal["random", "given"] = "random"
    """random: each epoch in an order of its own; given: each in that of the data, such as from easy to hard."""
    batch_size: Positive = 32
    """Conversations in an update; the last update of an epoch may have fewer."""
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Learning rate of the last update as a share of `learning_rate`, after a cosine decay."""
    max_length: Positive | None = None
    """Tokens of the longest conversation. null: the model's number of positions."""
    overlong: Literal["refuse", "drop"] = "refuse"
    """Refuse the run if a conversation is longer, or drop and count the row. It is never cut."""
    evaluate_every: Positive = 50
    """Measure the validation loss every this many updates, and after the last."""
    sampling: SamplingConfig = SamplingConfig(temperature=0.6, top_p=0.95)
    """How sample completions are sampled."""
    engine: EngineConfig = EngineConfig()
    """The engine of sample completions."""


class SftConfig(Budgeted, Seeded, Machine, SftTraining, OfModel):
    """One run of supervised fine-tuning. The paper's values are `R1_SFT`."""

    data: DataRef | None = None
    """A file or folder of conversations in any format of docs/data.md, such as rows `messages`, or `prompt` and `completion`; null: the
    command's `--data`."""
    validation: DataRef | None = None
    """Held-out rows of the same form, whose loss is measured before, during and after training. null: none."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of the files, which may be nested, by our names: {prompt: query, completion: extra.response}."""

    def resume_may_change(self, key: str, old: Any, new: Any) -> bool:
        """`Saving.resume_may_change`; with a constant learning rate also more `epochs`: a falling one depends on the number of steps."""
        further = key == "epochs" and new > old and self.final_learning_rate == 1
        return further or super().resume_may_change(key, old, new)


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
"""Overrides onto `SftConfig` for R1's stage 3, from the base model (not stated for the cold start). v1 and S as in `presets`: arXiv
2501.12948v1 and the supplement of Nature 645:633-638."""
