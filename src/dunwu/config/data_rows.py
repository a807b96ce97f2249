"""Data sets made of rows that are there: cleaning, mixing, filtering by difficulty, general data."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config
from dunwu.config.data import Builder, FiltersConfig, GeneratorConfig, LocalGenerator, Positive, Sampling, Share
from dunwu.config.references import DataRef
from dunwu.config.tasks import Languages, TaskConfig
from dunwu.config.zero import SamplingConfig

GeneralKind = Literal["writing", "facts", "identity", "translation", "greeting", "repeat", "count", "numbers", "harmful", "harmless"]


class CleaningConfig(Builder):
    """Rows of conversations, or of problems and answers, normalised and filtered."""

    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of such: rows `messages`, `prompt` and `completion`, or `problem` and `answer`."""
    normalise: bool = True
    """Unicode NFC, `\\n` as line end, no control characters, no white space around a text."""
    filters: FiltersConfig = FiltersConfig(language_of="reasoning")
    near_duplicates: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Rows as similar as this (Jaccard index of runs of three words) to an earlier one are dropped; 1: only equal ones."""


class MixedSource(Config):
    """One data set of a mixture."""

    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of such."""
    share: Annotated[float, Field(gt=0)]
    """Of the mixture, relative to the other sources' shares."""


class MixingConfig(Builder):
    """Data sets put together in stated proportions, in a random order."""

    sources: Annotated[dict[str, MixedSource], Field(min_length=1)]
    """By name."""
    unit: Literal["rows", "tokens"] = "rows"
    """What the shares are shares of."""
    total: Positive | None = None
    """Rows or tokens of the mixture. null: as many as there are in these proportions."""
    most_repeats: Positive = 1
    """How often at most a row is used; a source that is too small even so falls short, and the card says by how much."""


class DifficultyConfig(Builder, Sampling):
    """Problems that a model solves now and then, by its pass rate."""

    generator: GeneratorConfig = LocalGenerator()
    task: TaskConfig
    """Its training problems. What is kept becomes rows of a data set, so their answers must be of a kind it holds: not countdown's."""
    lowest: Share = 0.1
    highest: Share = 0.9
    """Pass rates that are kept, both included."""
    reward_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that verify; 0 verifies in this one."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one verdict, besides those a program may take."""

    @model_validator(mode="after")
    def _some_rate(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"lowest = {self.lowest:g} is above highest = {self.highest:g}; nothing would be kept")
        return self


class TinyGeneral(Config):
    """Small tasks of the tiny world, generated."""

    kind: Literal["tiny"] = "tiny"
    weights: dict[GeneralKind, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Of the kinds of tasks; without any above 0: all alike."""
    languages: Languages = ("en", "zh")
    answer_tags: bool = True
    """Whether a reply stands in answer tags, as a rule verifier wants it."""
    worse: Share = 0.0
    """Of `messages`: this share of the replies is not good (curt, beside the point, refusing what is harmless, obliging what is not), as in
    data that nobody could check."""


class GeneralFiles(Config):
    """Rows of conversations from files."""

    kind: Literal["files"] = "files"
    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of such: rows `messages`, or `prompt` and `completion`."""


GeneralSource = Annotated[TinyGeneral | GeneralFiles, Field(discriminator="kind")]


class ThinkerConfig(Config):
    """A model that adds a chain of thought to answers that have none."""

    generator: GeneratorConfig
    sources: tuple[str, ...]
    """Names of the sources whose rows get one; the others stay as they are, as a greeting should."""
    sampling: SamplingConfig = SamplingConfig(max_tokens=1024, temperature=0.6, top_p=0.95)


class GeneralConfig(Builder):
    """General data: writing, factual questions, self-cognition, translation, greetings, harmful requests and look-alikes."""

    sources: dict[str, GeneralSource] = Field(default_factory=lambda: dict[str, GeneralSource](tiny=TinyGeneral()))
    """By name."""
    split: Literal["train", "validation", "test", "all"] = "train"
    """Of the generated tasks; greetings, facts and identity are fixed sentences and stand in every split. all: who reads the rows splits
    them, by the same hash of the question."""
    form: Literal["messages", "problems", "prompts", "pairs", "labelled"] = "messages"
    """messages: to be learned. problems: `problem` and `answer`, for RL and evaluation, of the generated kinds that can be verified.
    prompts: `prompt`, `reference`, `category`, `harmful`, as a chat task reads them.
    pairs (`prompt`, `chosen`, `rejected`) and labelled (`prompt`, `completion`, `label`): for the reward models, generated only."""
    rows: Positive = 1000
    """Of each source at most; a generated one has each question once."""
    thinker: ThinkerConfig | None = None
    filters: FiltersConfig = FiltersConfig(language_of="reasoning")
