"""Comparisons: one student, distilled in every way and trained by reinforcement learning, at equal compute."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from dunwu.config.base import Config, Positive, Share
from dunwu.config.blocks import SamplingConfig
from dunwu.config.data import LocalGenerator
from dunwu.config.distill import Distilling, NewStudent, StudentTraining, TeacherRows
from dunwu.config.distill_methods import AttentionMethod, HiddenMethod, LogitsMethod, OnPolicyMethod
from dunwu.config.pretrain import Family
from dunwu.config.references import DataRef, ModelRef
from dunwu.config.rewards import AccuracyPart, FormatPart, Parts
from dunwu.config.suite import Name
from dunwu.config.teacher import Replies
from dunwu.config.zero import GrpoConfig

Way = Literal["rl", "rl-long", "text", "logits", "on-policy", "dialogue", "hidden", "attention", "progressive", "text+rl"]
Inner = Annotated[float, Field(gt=0, lt=1)]


class ComparedStudent(NewStudent):
    """A student from scratch that has seen text, so that reinforcement learning has something to begin with."""

    family: Family = "qwen2"
    tokens: Positive = 12_000_000


class Assistant(Config):
    """The model of middle size between teacher and student."""

    model: ModelRef | None = None
    """A model that exists. null: a new one, of the student's architecture, and first trained as the student was; only of a new student."""
    hidden: Positive = 96
    """Width of a new one."""
    layers: Positive = 4
    """Its decoder layers."""
    heads: Positive = 3
    """Its attention heads."""
    kv_heads: Positive = 1
    """Its key and value heads."""
    intermediate: Positive = 288
    """Width of its feed-forward layer."""


class ComparedRows(TeacherRows):
    """The problems that the teacher answers, and which of its answers become rows."""

    prompts: Positive = 8_000
    keep: Positive = 2


class ComparedTraining(StudentTraining):
    """How the student is fine-tuned: what its steps take is what every way may take."""

    epochs: Positive = 3


class ComparedGrpo(GrpoConfig):
    """The algorithm of reinforcement learning and its optimiser, as in `ZeroConfig`."""

    section: ClassVar[str] = "rl.grpo."
    steps: Positive = 100_000
    """The most steps: the budget ends training earlier."""
    beta: Annotated[float, Field(ge=0)] | None = 0.0

    @model_validator(mode="after")
    def _check_staleness(self) -> Self:
        self.refuse_uncorrected()
        return self


class RlWay(Config):
    """Reinforcement learning of the student, directly or after text."""

    grpo: ComparedGrpo = ComparedGrpo()
    """The algorithm and its optimiser."""
    sampling: SamplingConfig = SamplingConfig()
    """How rollouts are sampled."""
    reward: Parts = (AccuracyPart(), FormatPart())
    """The parts of the reward."""
    text_share: Inner = 0.5
    """Of text+rl: share of the compute that the text before it takes, in whole epochs."""


class DialogueWay(Replies):
    """Reinforcement learning with the teacher in the reward, beside the parts of `rl.reward`, and replying between two answers."""

    closeness: Literal["answer", "overlap", "likelihood"] = "overlap"
    """What is compared with the teacher: the final answer, the reasoning, or its probabilities, as in the part `teacher` of a reward."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of this part."""
    turns: Annotated[int, Field(ge=1, le=8)] = 2
    """Answers of the student to each problem; after each but the last the teacher replies. 1: the teacher is in the reward alone."""
    discount: Share = 1.0
    """Weight of the reward of an answer beside that of the next one. The student is evaluated on one answer."""


class CompareConfig(Distilling):
    """A student is distilled in several ways and trained by reinforcement learning, at the compute of distillation by text (`dunwu compare
    distill-vs-rl`)."""

    student: ComparedStudent | None = None
    """A new student instead of `model`, whose tokenizer it takes. null: `model` is the student."""
    rows: ComparedRows = ComparedRows()
    """The teacher's answers, which all ways share."""
    training: ComparedTraining = ComparedTraining()
    """How the student is fine-tuned."""
    ways: Annotated[tuple[Way, ...], Field(min_length=1)] | None = None
    """The ways that are compared; text is always among them. null: all that fit teacher and student."""
    seeds: Positive = 3
    """Each way is run with this many seeds, from `seed` on. Teacher's rows and the student's beginning are the same."""
    rl: RlWay = RlWay()
    """Of rl, rl-long, dialogue and text+rl."""
    logits: LogitsMethod = LogitsMethod()
    """Of logits."""
    on_policy: OnPolicyMethod = OnPolicyMethod()
    """Of on-policy."""
    dialogue: DialogueWay = DialogueWay()
    """Of dialogue."""
    hidden: HiddenMethod = HiddenMethod()
    """Of hidden."""
    attention: AttentionMethod = AttentionMethod()
    """Of attention."""
    assistant: Assistant = Assistant()
    """Of progressive."""

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        if not isinstance(self.teacher, LocalGenerator):
            raise ValueError(
                f"teacher.kind = {self.teacher.kind} cannot be compared, as its compute is unknown: take a local model, --teacher RUN"
            )
        if not self.evaluations:
            raise ValueError("evaluations is empty: there is nothing to compare; leave it out, or name an eval set")
        return self


class ComparedRun(Config):
    """What one seed of a way has made."""

    suite: DataRef
    """Artefact of a stage of kind `suite`."""
    student: dict[str, ModelRef] = Field(default_factory=dict)
    """The student's models by names of stages, one for each that trained it: their compute counts as its own."""
    teacher: dict[str, DataRef] = Field(default_factory=dict)
    """What else was made for this way, such as rows of a teacher or an assistant: its compute counts as the teacher's."""


class ComparedWay(Config):
    """A way of training the student, with a run for each seed."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+_-]{0,63}$")]
    """Its name in the table."""
    runs: Annotated[tuple[ComparedRun, ...], Field(min_length=1)]
    """One for each seed."""


class ComparisonConfig(Config):
    """The table of several ways with their compute: `comparison.json` and `comparison.md`."""

    rows: Annotated[tuple[ComparedWay, ...], Field(min_length=1)]
    """The ways."""
    references: dict[Name, DataRef] = Field(default_factory=dict)
    """Suites of further models, such as the student before training and the teacher."""
    against: str = "rl"
    """The way with which the others are compared problem by problem, if it is among the rows."""

    @model_validator(mode="after")
    def _different_names(self) -> Self:
        names = [row.name for row in self.rows]
        if double := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rows are named {double!r}: rename one")
        return self
