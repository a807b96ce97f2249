"""Data sets whose answers a model writes: the cold start, rejection sampling, preference pairs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config
from dunwu.config.data import Builder, GeneratorConfig, LocalGenerator, Positive, ReplyBuilder, Sampling
from dunwu.config.references import DataRef
from dunwu.config.tasks import ChatTask, CountdownTask, WeightedTask
from dunwu.config.zero import SamplingConfig

Tasks = Annotated[tuple[WeightedTask, ...], Field(min_length=1)]


class JudgeConfig(Config):
    """A generative judge that is shown the ground truth and returns JSON {analysis, correctness}."""

    generator: GeneratorConfig
    over: Literal["text", "all"] = "text"
    """text: it decides the problems whose answers are free text, rules all others. all: both must find an answer right."""
    sampling: SamplingConfig = SamplingConfig(max_tokens=1024, temperature=0.6, top_p=0.95)
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a judgement that cannot be read is asked for again; then the answer is dropped and counted."""


class RejectionConfig(ReplyBuilder, Sampling):
    """Rejection sampling: several answers to a problem, of which right and readable ones are kept."""

    generator: GeneratorConfig = LocalGenerator()
    tasks: Tasks = (WeightedTask(task=CountdownTask()),)
    judge: JudgeConfig | None = None
    keep: Positive = 1
    """Right answers to a problem at most; of more, those least like each other."""


class RulesRewriter(Config):
    """Rules for the tiny world, where no model can rewrite: connectives in the prompt's language, and a sentence with the answer."""

    kind: Literal["rules"] = "rules"
    summary: Literal["sentence", "answer"] = "sentence"
    """answer: the answer in its tags alone, as a template that allows nothing else wants it."""


class ModelRewriter(Config):
    """A model that writes the reasoning anew, and a summary, in the prompt's language."""

    kind: Literal["model"] = "model"
    generator: GeneratorConfig
    sampling: SamplingConfig = SamplingConfig(max_tokens=4096, temperature=0.6, top_p=0.95)
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a rewriting that cannot be read is asked for again; then the row is dropped and counted."""


RewriterConfig = Annotated[RulesRewriter | ModelRewriter, Field(discriminator="kind")]


class FewShot(Sampling):
    """Problems asked behind worked examples with long chains of thought."""

    kind: Literal["few_shot"] = "few_shot"
    generator: GeneratorConfig
    tasks: Tasks
    data: DataRef
    """JSONL, JSONL.gz or Parquet with rows of `messages`, reasoning included: the shots, all of them before each problem."""


class Prompted(Sampling):
    """Problems asked with the request to reflect and to verify."""

    kind: Literal["prompted"] = "prompted"
    generator: GeneratorConfig
    tasks: Tasks
    instruction: str | None = None
    """Put before each problem; null: `dunwu.data.builders.cold_start.REFLECT`, in the problem's language."""


class ZeroOutputs(Sampling):
    """Answers of R1-Zero that are right and readable, rewritten."""

    kind: Literal["zero"] = "zero"
    generator: GeneratorConfig = LocalGenerator()
    tasks: Tasks = (WeightedTask(task=CountdownTask()),)
    rewriter: RewriterConfig = RulesRewriter()


class AnnotatedRows(Config):
    """Rows that people wrote or looked through (`dunwu review`)."""

    kind: Literal["annotated"] = "annotated"
    data: DataRef
    """JSONL, JSONL.gz or Parquet with rows of `messages`."""


ColdStartSource = Annotated[FewShot | Prompted | ZeroOutputs | AnnotatedRows, Field(discriminator="kind")]


class ColdStartConfig(ReplyBuilder):
    """Cold-start data from the four ways of DeepSeek-R1 (arXiv 2501.12948, section 2.3.1)."""

    sources: dict[str, ColdStartSource] = Field(default_factory=lambda: dict[str, ColdStartSource](zero=ZeroOutputs()))
    """By name; what they give is put together in this order."""
    keep: Positive = 1
    """Answers to a problem at most, from each source."""
    rows: Positive | None = None
    """At most so many in all, drawn at random. null: all."""

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if not self.sources:
            raise ValueError("sources is empty; give one of few_shot, prompted, zero, annotated")
        return self


class PairJudgeConfig(Config):
    """A generative judge that rates two answers to a prompt, several times and in both orders (DeepSeek-R1 in Nature, Methods)."""

    generator: GeneratorConfig
    sampling: SamplingConfig = SamplingConfig(max_tokens=1024, temperature=0.6, top_p=0.95)
    votes: Annotated[int, Field(ge=2, multiple_of=2)] = 4
    """On each pair; half of them see the answers in either order."""
    margin: Annotated[float, Field(ge=0)] = 1.0
    """Pairs whose mean ratings, from 1 to 10, differ by no more than this are dropped."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a vote that cannot be read is asked for again; a pair without all its votes is dropped and counted."""
    balance_lengths: bool = True
    """Keep as many pairs whose chosen answer is the longer as whose rejected one is, for differences of any size."""


class PreferencesConfig(Builder, Sampling):
    """Preference pairs: answers of a model to general prompts, or rows that hold two answers, of which a judge finds the more helpful."""

    judge: PairJudgeConfig
    task: ChatTask | None = None
    """General prompts, of the training split; those that say they are harmful are left out, as refusing them is for the safety reward."""
    data: DataRef | None = None
    """Instead of a task: JSONL, JSONL.gz or Parquet, or a folder of such, with rows `prompt`, `first`, `second`; nothing is generated."""
    generator: GeneratorConfig = LocalGenerator()
    samples: Annotated[int, Field(ge=2)] = 2
    """Answers to each prompt; of more than two, pairs of different ones, each in one pair."""
    held_out: Annotated[int, Field(ge=0)] = 64
    """Prompts of the test split beside the training ones, only such as a reward model does not train on: it is measured by them."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.task is None) == (self.data is None):
            raise ValueError("give either task (prompts that a model answers) or data (rows prompt, first, second)")
        return self
