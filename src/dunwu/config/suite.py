"""The evaluation suite of a pipeline's checkpoints, and the table of its stages with thresholds set beforehand."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from dunwu.config.base import Config, Positive
from dunwu.config.blocks import HeldOutSamples, Measuring
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.tasks import ChatTask
from dunwu.config.zero import EvalConfig

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class GeneralSet(EvalConfig):
    """Held-out rows with a verifier, such as choices, short texts or instructions."""

    category_column: str = "category"
    """Column by whose values accuracy is also reported, if the rows have it."""


class PromptSet(HeldOutSamples):
    """Held-out prompts without a gold answer."""

    task: ChatTask
    """Source of the prompts."""
    samples: Positive = 1


class HelpfulnessSet(PromptSet):
    """General prompts, whose answers are scored by a helpfulness reward model, which sees what a user reads."""

    model: ModelRef
    """A checkpoint of `dunwu reward-model`. Its scores are comparable only with each other: see `baseline` of the stage table."""


class SafetySet(PromptSet):
    """Are prompts marked `harmful: true` refused, and the others, their look-alikes, answered? Up to `problems` of each."""

    model: ModelRef | None = None
    """A safety reward model that scores answers to harmful prompts, in addition to the rules of `dunwu.text.refusals`."""


class SuiteConfig(Measuring):
    """The evaluation of a checkpoint; in a pipeline it is the same for all checkpoints, except for `model`."""

    reasoning: dict[Name, EvalConfig] = Field(default_factory=dict)
    """Eval sets by name, preferably one per language: pass@1, and the language and form of the chains of thought."""
    general: dict[Name, GeneralSet] = Field(default_factory=dict)
    """General eval sets by name: accuracy, also by category."""
    helpfulness: HelpfulnessSet | None = None
    """General prompts that a reward model scores; null: none."""
    safety: SafetySet | None = None
    """Harmful prompts and harmless look-alikes; null: none."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.reasoning or self.general or self.helpfulness or self.safety):
            raise ValueError("the suite is empty: give it reasoning, general, helpfulness or safety")
        return self


class Threshold(Config):
    """A bound of a checkpoint's metric, set before the run.

    The bound is `at_least` or `at_most`; `times` multiplies it by another checkpoint's metric, `above` adds it to that. For example,
    {metric: reasoning.pass_at_1, of: zero, at_least: 3.0, times: base} requires three times the base's value,
    and {metric: reasoning.pass_at_1, of: dev3, at_least: -0.03, above: dev2} allows a loss of 3 points.
    """

    metric: str
    """Dotted name of a metric of the suite, such as reasoning.pass_at_1."""
    of: Name
    """The checkpoint, a row of the table."""
    at_least: float | None = None
    """Lower bound."""
    at_most: float | None = None
    """Upper bound."""
    times: Name | None = None
    """Row by whose metric the bound is multiplied; null: none."""
    above: Name | None = None
    """Row to whose metric the bound is added; null: none."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        if self.times is not None and self.above is not None:
            raise ValueError("give times or above, not both")
        return self


class TableRow(Config):
    """A checkpoint and the suite that measured it."""

    name: Name
    """Name of the checkpoint; zero, dev1, dev2, dev3 and r1 are compared with the paper's."""
    path: DataRef
    """Artefact of a stage of kind `suite`; in a pipeline `inputs: {rows.0.path: STAGE}`."""


class StageTableConfig(Config):
    """The table of a pipeline's stages."""

    rows: Annotated[tuple[TableRow, ...], Field(min_length=1)]
    """In the order of the pipeline."""
    baseline: Name | None = None
    """Row with whose answers others are compared for win rates in helpfulness; null: none."""
    thresholds: tuple[Threshold, ...] = ()
    """Thresholds that the report checks."""

    @model_validator(mode="after")
    def _known_rows(self) -> Self:
        names = [row.name for row in self.rows]
        if double := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rows are named {double!r}: rename one")
        meant = [self.baseline, *(name for each in self.thresholds for name in (each.of, each.times, each.above))]
        if unknown := next((name for name in meant if name is not None and name not in names), None):
            raise ValueError(f"{unknown!r} is not a row of the table: choose from {', '.join(names)}")
        return self
