"""The evaluation that every checkpoint of a pipeline goes through, and the table of its stages with the thresholds set beforehand."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from dunwu.config.base import Config, Seed
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.tasks import ChatTask
from dunwu.config.zero import EngineConfig, EvalConfig, PromptTemplate, SamplingConfig

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Positive = Annotated[int, Field(ge=1)]


class GeneralSet(EvalConfig):
    """Held-out rows with a verifier of ours, such as choices, short texts or instructions."""

    category_column: str = "category"
    """Accuracy is told per value of this column, where the rows have it."""


class PromptSet(Config):
    """Prompts without an answer, of the split that no training saw."""

    task: ChatTask
    split: Literal["validation", "test"] = "test"
    problems: Positive = 200
    """At most; drawn at random where there are more."""
    samples: Positive = 1
    """Completions per prompt."""
    sampling: SamplingConfig = SamplingConfig()
    seed: Seed = 0


class HelpfulnessSet(PromptSet):
    """General prompts, their answers judged by a helpfulness reward model, which sees what a user reads."""

    model: ModelRef
    """A checkpoint of `dunwu reward-model`. Scores mean something beside one another only: see `baseline` of the stage table."""


class SafetySet(PromptSet):
    """Are prompts refused whose rows say `harmful: true`, and the others, their look-alikes, answered? Up to `problems` of each."""

    model: ModelRef | None = None
    """A safety reward model, which judges the whole answers to harmful prompts beside the rules of `dunwu.evaluation.refusals`."""


class SuiteConfig(Config):
    """One evaluation of one checkpoint. The same for all checkpoints of a pipeline, but for `model`."""

    model: ModelRef = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
    reasoning: dict[Name, EvalConfig] = Field(default_factory=dict)
    """Held-out problems by name, best one set per language: pass@1, and the language and form of the chains of thought."""
    general: dict[Name, GeneralSet] = Field(default_factory=dict)
    helpfulness: HelpfulnessSet | None = None
    safety: SafetySet | None = None
    template: PromptTemplate = "tiny"
    """Prompt template."""
    engine: EngineConfig = EngineConfig()
    max_prompt_tokens: Positive = 4096
    """Longer prompts are refused, never cut."""
    reward_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that verify; 0 verifies in this one."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one verdict, besides those a program may take."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 takes all cores."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.reasoning or self.general or self.helpfulness or self.safety):
            raise ValueError("the suite is empty: give it reasoning, general, helpfulness or safety")
        return self


class Threshold(Config):
    """What a metric of a checkpoint must reach, written down before the run.

    The bound is `at_least` or `at_most` itself; with `times` that many times the metric of another checkpoint; with `above` that much
    more than it. So {metric: reasoning.pass_at_1, of: zero, at_least: 3.0, times: base} asks for three times the base's,
    and {metric: reasoning.pass_at_1, of: dev3, at_least: -0.03, above: dev2} allows a loss of 3 points.
    """

    metric: str
    of: Name
    at_least: float | None = None
    at_most: float | None = None
    times: Name | None = None
    above: Name | None = None

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
    """Rows named zero, dev1, dev2, dev3 and r1 stand beside the paper's."""
    path: DataRef
    """What the stage of kind `suite` made; in a pipeline `inputs: {rows.0.path: STAGE}`."""


class StageTableConfig(Config):
    """The table of a pipeline's stages."""

    rows: Annotated[tuple[TableRow, ...], Field(min_length=1)]
    """In the order of the pipeline."""
    baseline: Name | None = None
    """The row whose kept answers the win rates in helpfulness are against."""
    thresholds: tuple[Threshold, ...] = ()

    @model_validator(mode="after")
    def _known_rows(self) -> Self:
        names = [row.name for row in self.rows]
        if double := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rows are named {double!r}: give one of them another name")
        meant = [self.baseline, *(name for each in self.thresholds for name in (each.of, each.times, each.above))]
        if unknown := next((name for name in meant if name is not None and name not in names), None):
            raise ValueError(f"{unknown!r} is not a row of the table: choose from {', '.join(names)}")
        return self
