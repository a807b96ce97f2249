"""`dunwu reproduce`: which claims of the paper are tested again, and the stage that tests them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config, Positive, Seed
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.suite import Name

Claim = Literal["lift", "majority", "thinking", "reflection", "language", "stages", "distillation", "ablations", "process"]


class ReproduceConfig(Config):
    """Claims of the paper, tested again on the tiny model (`dunwu reproduce`)."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)] | None = None
    """The claims that are tested, such as `[lift, majority]`. null: all."""
    seeds: Positive = 3
    """Every model is trained with this many seeds, from `seed` on. One seed gives no verdict."""
    seed: Seed = 0
    """The first seed."""
    runs: dict[Name, ModelRef] = Field(default_factory=dict)
    """Finished runs of `dunwu zero` in place of stages that would train the same, such as `{zero-0: runs/zero}`."""

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if self.seeds > 100:
            raise ValueError(f"seeds = {self.seeds} would train that many models of each kind: set it to 100 or fewer")
        return self


class ReproductionConfig(Config):
    """The table of the paper's claims with what was found: `reproduction.json` and `reproduction.md`."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]
    """The claims of the table."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """The seeds with which the models were trained."""
    measured: dict[Name, DataRef] = Field(default_factory=dict)
    """Artefacts of stages of kind `evaluate` or `suite` by model: its name, or name and seed, such as `base` and `zero-0`."""
