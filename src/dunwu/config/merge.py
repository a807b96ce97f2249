"""Several models merged into one, weight by weight."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config
from dunwu.config.references import ModelRef
from dunwu.config.suite import Name


class MergeConfig(Config):
    """Models of one architecture and tokenizer, usually trained from one base, merged into one without training."""

    models: Annotated[dict[Name, ModelRef], Field(min_length=1)]
    """The models by name, such as {sums: runs/sums, facts: runs/facts}. The result is prompted as the first one."""
    method: Literal["average", "task-arithmetic"] = "average"
    """average: the mean of the weights (model soups, arXiv 2203.05482). task-arithmetic: the base and, of each model, what training has
    added to it (arXiv 2212.04089)."""
    base: ModelRef | None = None
    """The model that all were trained from; for task-arithmetic only."""
    scale: float | None = None
    """Factor of what is added to the base; null: 1. The paper finds 0.3 to 0.5 best for several models, on held-out problems."""
    weights: dict[Name, float] = Field(default_factory=dict)
    """Weights of single models by name, 1 for all others. average: relative to each other; task-arithmetic: times `scale`."""

    @model_validator(mode="after")
    def _fits_the_method(self) -> Self:
        if self.method == "task-arithmetic":
            if self.base is None:
                raise ValueError("task-arithmetic needs base, the model that all were trained from")
        elif self.base is not None or self.scale is not None:
            key = "base" if self.base is not None else "scale"
            raise ValueError(f"{key} has no effect on an average: leave it out, or set method=task-arithmetic")
        return self

    @model_validator(mode="after")
    def _known_weights(self) -> Self:
        if unknown := next((name for name in self.weights if name not in self.models), None):
            raise ValueError(f"weights.{unknown} is the weight of no model: choose from {', '.join(self.models)}")
        if self.method == "average" and (min(given := self.weight_list()) < 0 or not any(given)):
            raise ValueError(f"weights = {self.weights}: an average needs weights of at least 0, and one above")
        return self

    def weight_list(self) -> list[float]:
        """The weights in the order of the models."""
        return [self.weights.get(name, 1.0) for name in self.models]
