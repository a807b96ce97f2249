"""Data sets whose answers a model writes: the cold start, rejection sampling, preference pairs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config, Count, Positive
from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import AskingAgain, Builder, GeneratorConfig, LocalGenerator, ReplyBuilder, Sampling, SolvedProblems
from dunwu.config.presets import PresetValue
from dunwu.config.references import DataRef
from dunwu.config.tasks import ChatTask, Tasks


class JudgeConfig(AskingAgain):
    """A generative judge that sees the ground truth and returns JSON {analysis, correctness}."""

    over: Literal["text", "all"] = "text"
    """text: the judge decides problems whose answers are free text, rules decide all others. all: both must accept an answer."""


class Choosing(Config):
    """How a model is asked for answers to a problem, and which of them are kept."""

    ask_for_form: bool = False
    """Ask for the answer in its form after problems that do not ask for it. The rows have the problem without this request."""
    judge: JudgeConfig | None = None
    """A model that verifies answers that rules cannot; null: rules only."""
    keep: Positive = 1
    """Correct answers kept per problem; if there are more, those that differ most."""
    order: Literal["given", "easy-to-hard"] = "given"
    """Order of the rows. easy-to-hard: those of problems that more of the answers solve first, at equal shares shorter ones; to train in
    this order set `order: given` there."""


class RejectionConfig(Choosing, ReplyBuilder, SolvedProblems):
    """Rejection sampling: several answers to a problem, of which correct and readable ones are kept."""


class RulesRewriter(Config):
    """Rules for the tiny world, where no model can rewrite: connectives in the prompt's language, and a sentence with the answer."""

    kind: Literal["rules"] = "rules"
    summary: Literal["sentence", "answer"] = "sentence"
    """sentence: one sentence with the answer. answer: only the answer in its tags, for templates that allow nothing else."""


class ModelRewriter(AskingAgain):
    """A model that rewrites the reasoning and adds a summary, in the prompt's language."""

    kind: Literal["model"] = "model"
    sampling: SamplingConfig = SamplingConfig(max_tokens=4096, temperature=0.6, top_p=0.95)


RewriterConfig = Annotated[RulesRewriter | ModelRewriter, Field(discriminator="kind")]


class FewShot(SolvedProblems):
    """Problems prompted with worked examples that have long chains of thought."""

    kind: Literal["few_shot"] = "few_shot"
    generator: GeneratorConfig
    tasks: Tasks
    data: DataRef
    """JSONL, JSONL.gz or Parquet with rows of `messages`, reasoning included: the shots, all of which precede each problem."""


class Prompted(SolvedProblems):
    """Problems prompted with the request to reflect and verify."""

    kind: Literal["prompted"] = "prompted"
    generator: GeneratorConfig
    tasks: Tasks
    instruction: str | None = None
    """Text before each problem; null: `dunwu.data.builders.cold_start.REFLECT`, in the problem's language."""


class ZeroOutputs(SolvedProblems):
    """Correct and readable answers of R1-Zero, rewritten."""

    kind: Literal["zero"] = "zero"
    rewriter: RewriterConfig = RulesRewriter()
    """The rewriter."""


class AnnotatedRows(Config):
    """Rows that people wrote or reviewed (`dunwu review`)."""

    kind: Literal["annotated"] = "annotated"
    data: DataRef
    """JSONL, JSONL.gz or Parquet with rows of `messages`."""


ColdStartSource = Annotated[FewShot | Prompted | ZeroOutputs | AnnotatedRows, Field(discriminator="kind")]


class ColdStartConfig(ReplyBuilder):
    """Cold-start data from the four ways of DeepSeek-R1 (arXiv 2501.12948, section 2.3.1)."""

    sources: dict[str, ColdStartSource] = Field(default_factory=lambda: dict[str, ColdStartSource](zero=ZeroOutputs()))
    """By name; their rows are joined in this order."""
    keep: Positive = 1
    """Answers kept per problem, from each source."""
    rows: Positive | None = None
    """Total number of rows; if there are more, they are drawn at random. null: all."""

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if not self.sources:
            raise ValueError("sources is empty; give one of few_shot, prompted, zero, annotated")
        return self


class PairJudgeConfig(AskingAgain):
    """A generative judge that rates two answers to a prompt, several times and in both orders (DeepSeek-R1 in Nature, Methods)."""

    votes: Annotated[int, Field(ge=2, multiple_of=2)] = 4
    """Votes on each pair, half of them in each order of the answers."""
    margin: Annotated[float, Field(ge=0)] = 1.0
    """Drop pairs whose mean ratings, from 1 to 10, differ by no more than this."""
    balance_lengths: bool = True
    """Keep as many pairs whose chosen answer is longer as pairs whose rejected one is, at every difference of length."""


R1_PAIRS: Mapping[str, PresetValue] = MappingProxyType(
    {
        "votes": PresetValue(4, "N, Methods: four queries a pair, in random order"),
        "margin": PresetValue(1.0, "N, Methods: kept if the difference is above 1"),
        "balance_lengths": PresetValue(True, "N, Methods: chosen and rejected balanced in length"),
    }
)
"""The paper's values of `PairJudgeConfig`, which are its defaults."""


class PreferencesConfig(Builder, Sampling):
    """Preference pairs: a judge decides which of two answers is more helpful. A model writes the answers, or rows contain them."""

    judge: PairJudgeConfig
    """The judge."""
    task: ChatTask | None = None
    """General prompts of the training split; harmful ones are dropped, since they are for the safety reward. null: `data`."""
    data: DataRef | None = None
    """Instead of a task: JSONL, JSONL.gz or Parquet, or a folder of them, with rows `prompt`, `first`, `second`; nothing is generated."""
    generator: GeneratorConfig = LocalGenerator()
    """The model that answers."""
    samples: Annotated[int, Field(ge=2)] = 2
    """Answers to each prompt; each is in one pair."""
    held_out: Count = 64
    """Additional prompts from the test split, on which the reward model is evaluated and never trained."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.task is None) == (self.data is None):
            raise ValueError("give either task (prompts that a model answers) or data (rows prompt, first, second)")
        return self
