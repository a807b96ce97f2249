"""Data sets made from existing rows: cleaning, mixing, filtering by difficulty, general data."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config, Positive, Share
from dunwu.config.blocks import Verifying
from dunwu.config.data import Asking, Builder, FiltersConfig, GeneratorConfig, LocalGenerator, NearDuplicates, Sampling
from dunwu.config.references import DataRef
from dunwu.config.tasks import Languages, TaskConfig

GeneralKind = Literal["writing", "facts", "identity", "translation", "greeting", "repeat", "count", "numbers", "harmful", "harmless"]


class CleaningConfig(Builder, NearDuplicates):
    """Rows of conversations, or of problems and answers, normalised and filtered."""

    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of them: rows `messages`, `prompt` and `completion`, or `problem` and `answer`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of the files, which may be nested, by our names: {problem: question, answer: trace.final}."""
    normalise: bool = True
    """Unicode NFC, `\\n` as line end, no control characters, no white space at either end."""
    filters: FiltersConfig = FiltersConfig(language_of="reasoning")
    """Which rows are readable."""


class MixedSource(Config):
    """One data set of a mixture."""

    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of them."""
    share: Annotated[float, Field(gt=0)]
    """Share of the mixture, relative to the other sources' shares."""


class MixingConfig(Builder):
    """Data sets mixed in given proportions, in random order."""

    sources: Annotated[dict[str, MixedSource], Field(min_length=1)]
    """By name."""
    unit: Literal["rows", "tokens"] = "rows"
    """Unit of the shares."""
    total: Positive | None = None
    """Rows or tokens of the mixture. null: as many as the proportions allow."""
    most_repeats: Positive = 1
    """Times a row may be used; if a source is still too small, the card shows how much is missing."""


class DifficultyConfig(Builder, Sampling, Verifying):
    """Problems that a model solves sometimes, by its pass rate."""

    generator: GeneratorConfig = LocalGenerator()
    """The model that answers."""
    task: TaskConfig
    """The task whose training problems are filtered. They become rows of a data set, so they must have answers, unlike countdown's."""
    lowest: Share = 0.1
    """Lowest pass rate that is kept."""
    highest: Share = 0.9
    """Highest pass rate that is kept."""

    @model_validator(mode="after")
    def _some_rate(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"lowest = {self.lowest:g} is above highest = {self.highest:g}; nothing would be kept")
        return self


class TinyGeneral(Config):
    """Small generated tasks of the tiny world."""

    kind: Literal["tiny"] = "tiny"
    weights: dict[GeneralKind, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Weights of the kinds of tasks; if none is above 0, all are equal."""
    languages: Languages = ("en", "zh")
    """Languages of the tasks."""
    answer_tags: bool = True
    """Put the answer in answer tags, for rule verifiers."""
    worse: Share = 0.0
    """Share of bad replies in `messages` (curt, off the point, refusing harmless requests, obeying harmful ones), as in unchecked data."""


class GeneralFiles(Config):
    """Rows of conversations from files."""

    kind: Literal["files"] = "files"
    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of them: rows `messages`, or `prompt` and `completion`."""


GeneralSource = Annotated[TinyGeneral | GeneralFiles, Field(discriminator="kind")]


class TeacherConfig(Asking):
    """A model that adds a chain of thought to answers that have none."""

    sources: tuple[str, ...]
    """Names of the sources to which it adds one; others, such as greetings, stay unchanged."""


class GeneralConfig(Builder):
    """General data: writing, factual questions, self-cognition, translation, greetings, harmful requests and look-alikes."""

    sources: dict[str, GeneralSource] = Field(default_factory=lambda: dict[str, GeneralSource](tiny=TinyGeneral()))
    """By name."""
    split: Literal["train", "validation", "test", "all"] = "train"
    """Split of the generated tasks; greetings, facts and identity are fixed sentences and are in every split. all: every split; the job
    that reads the rows splits them, by the same hash of the question."""
    form: Literal["messages", "problems", "prompts", "pairs", "labelled"] = "messages"
    """messages: for training. problems: `problem` and `answer`, for RL and evaluation, of the generated kinds that can be verified.
    prompts: `prompt`, `reference`, `category`, `harmful`, as a chat task reads them.
    pairs (`prompt`, `chosen`, `rejected`) and labelled (`prompt`, `completion`, `label`): for the reward models, generated only."""
    rows: Positive = 1000
    """Most rows of each source; generated questions are distinct."""
    teacher: TeacherConfig | None = None
    """A model that adds chains of thought; null: none."""
    filters: FiltersConfig = FiltersConfig(language_of="reasoning")
    """Which rows are readable."""
