"""Distillation: a small student learns from what a large teacher does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from dunwu.config.base import Config, Count, Positive
from dunwu.config.blocks import Machine, OfModel, SamplingConfig, Seeded, Verifying
from dunwu.config.data import (
    EndpointGenerator,
    EvaluationSet,
    FiltersConfig,
    LocalGenerator,
    NearDuplicates,
    OfTasks,
    OwnGenerator,
    Sampling,
)
from dunwu.config.data_replies import Choosing
from dunwu.config.distill_methods import AttentionMethod, HiddenMethod, LogitsMethod, OnPolicyMethod, named_kind
from dunwu.config.presets import PresetValue
from dunwu.config.pretrain import ModelShape
from dunwu.config.references import DataRef
from dunwu.config.sft import SftTraining
from dunwu.config.zero import EvalConfig, Evaluations, sampled_as, sets_of
from dunwu.text.answer_forms import DEFAULT

EVALUATED: Mapping[str, float] = MappingProxyType({"temperature": 0.6, "top_p": 0.95})
"""DeepSeek-R1's evaluation, v1 section 3."""


class StoredAnswers(Config):
    """A teacher's answers that exist already. They are cleaned and decontaminated; no rule verifies them."""

    kind: Literal["rows"] = "rows"
    data: DataRef
    """JSONL, JSONL.gz or Parquet, or a folder of them: rows `messages`, `prompt` and `completion`, or `problem` and `answer`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of the files, which may be nested, by our names: {problem: question, answer: trace.final}."""


Teacher = Annotated[LocalGenerator | EndpointGenerator | OwnGenerator | StoredAnswers, Field(discriminator="kind")]


class NewStudent(ModelShape):
    """A student from scratch, with the tokenizer of `model`; by default a quarter of the tiny model."""

    hidden: Positive = 64
    layers: Positive = 4
    heads: Positive = 2
    kv_heads: Positive = 1
    intermediate: Positive = 192
    tokens: Count = 0
    """Tokens of the tiny world's text on which it is trained first; 0: it starts with random weights."""
    batch_tokens: Positive = 8_192
    """Tokens of one optimiser step of this training."""


class TeacherRows(Choosing, NearDuplicates, Sampling):
    """The problems that the teacher answers, and which of its answers become rows."""

    filters: FiltersConfig = FiltersConfig()
    """Which answers are readable. `max_tokens` is at most the student's number of positions."""
    decontaminate: tuple[EvaluationSet, ...] = ()
    """Eval sets to keep out of the rows, besides `evaluations`."""


class StudentTraining(SftTraining):
    """How the student is trained; the paper's values are `R1_DISTILL`."""

    section: ClassVar[str] = "training."
    batch_size: Positive = 64
    overlong: Literal["refuse", "drop"] = "drop"


class TextMethod(Config):
    """Fine-tuning on the teacher's answers, as DeepSeek-R1's distilled models (arXiv 2501.12948, section 2.4)."""

    kind: Literal["text"] = "text"


Method = Annotated[
    Annotated[TextMethod | LogitsMethod | HiddenMethod | AttentionMethod | OnPolicyMethod, Field(discriminator="kind")],
    BeforeValidator(named_kind),
]


class Distilling(Seeded, Machine, Verifying, OfTasks, OfModel):
    """A teacher, a student, and how they are measured."""

    teacher: Teacher
    """The model that answers, or its stored answers."""
    student: NewStudent | None = None
    """A new student instead of `model`, whose tokenizer it takes. null: `model` is the student."""
    rows: TeacherRows = TeacherRows()
    """The teacher's answers."""
    training: StudentTraining = StudentTraining()
    """How it is trained."""
    evaluations: Evaluations = Field(default_factory=lambda data: sets_of(data["tasks"], SamplingConfig(**_evaluated(data))))
    """Eval sets on which teacher and student are measured, with DeepSeek-R1's temperature 0.6 and top_p 0.95 and the length of
    `rows.sampling` unless they say otherwise. Not set: the test split of each task that can be verified."""

    @field_validator("evaluations", mode="before")
    @classmethod
    def _sampled(cls, sets: Any, info: ValidationInfo) -> Any:
        usable = "rows" in info.data and isinstance(sets, str | dict | list | tuple)
        return sampled_as(_evaluated(info.data), sets, True) if usable else sets

    @field_validator("evaluations")
    @classmethod
    def _answered_alike(cls, sets: tuple[EvalConfig, ...], info: ValidationInfo) -> tuple[EvalConfig, ...]:
        form = info.data.get("answer_form", DEFAULT)
        return tuple(each if each.answer_form or form == DEFAULT else each.model_copy(update={"answer_form": form}) for each in sets)

    @property
    def stored(self) -> StoredAnswers | None:
        """The answers that exist, if the teacher is asked for none."""
        return self.teacher if isinstance(self.teacher, StoredAnswers) else None

    @model_validator(mode="after")
    def _nothing_to_ask(self) -> Self:
        unused = sorted(self.rows.model_fields_set & {"prompts", "samples", "ask_for_form", "judge", "keep", "order"})
        if self.stored is not None and unused:
            raise ValueError(f"rows.{unused[0]} has no effect on stored answers, of which nothing is asked: leave it out")
        return self


class DistillRows(TeacherRows):
    """As `TeacherRows`, or rows that exist."""

    data: DataRef | None = None
    """Rows on which the student learns beside a local teacher, which then answers nothing: rows as of a teacher of kind `rows`. null: the
    teacher's answers."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Of `data`: columns, which may be nested, by our names: {problem: question, answer: trace.final}."""


class DistillConfig(Distilling):
    """A student learns from a teacher (`dunwu distill`): rows, training, and an evaluation before and after."""

    rows: DistillRows = DistillRows()
    """The teacher's answers, or rows that exist."""
    method: Method = TextMethod()
    """What the student learns of the teacher: text, or besides it logits, hidden, attention, on-policy, or a block with keys of its own."""

    @property
    def stored(self) -> StoredAnswers | None:
        """As in `Distilling`, or rows that exist beside a local teacher."""
        data = self.rows.data
        return super().stored if data is None else StoredAnswers(data=data, columns=self.rows.columns)

    @model_validator(mode="after")
    def _rows_beside_a_teacher(self) -> Self:
        if self.rows.data is not None and (self.teacher.kind != "local" or self.method.kind == "text"):
            raise ValueError(
                "rows.data is for a student that learns beside a local teacher: set method=logits or another, or give the rows as the"
                f" teacher, --teacher {self.rows.data}"
            )
        return self

    @model_validator(mode="after")
    def _inside_of_a_local_teacher(self) -> Self:
        if self.method.kind != "text" and self.teacher.kind != "local":
            raise ValueError(
                f"method = {self.method.kind} needs a teacher in this process, and teacher.kind = {self.teacher.kind} gives text only: set"
                " teacher.kind=local, or method=text"
            )
        return self


def _evaluated(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"max_tokens": data["rows"].sampling.max_tokens, **EVALUATED}


R1_DISTILL: Mapping[str, PresetValue] = MappingProxyType(
    {
        "epochs": PresetValue(2, "S: 2-3 epochs on the 800k samples"),
        "batch_size": PresetValue(64, "S"),
        "final_learning_rate": PresetValue(0.1, "S: cosine to a tenth"),
        "max_length": PresetValue(32_768, "S: context length"),
    }
)
"""Values of `StudentTraining`. S as in `presets`: the supplement of Nature 645:633-638."""


@dataclass(frozen=True, slots=True)
class PaperStudent:
    """A student of DeepSeek-R1: its base model, number of weights, and peak learning rate (S)."""

    model: str
    parameters: float
    learning_rate: float


R1_STUDENTS = (
    PaperStudent("Qwen/Qwen2.5-Math-1.5B", 1.54e9, 1e-4),
    PaperStudent("Qwen/Qwen2.5-Math-7B", 7.62e9, 8e-5),
    PaperStudent("meta-llama/Llama-3.1-8B", 8.03e9, 5e-5),
    PaperStudent("Qwen/Qwen2.5-14B", 14.8e9, 7e-5),
    PaperStudent("Qwen/Qwen2.5-32B", 32.8e9, 6e-5),
    PaperStudent("meta-llama/Llama-3.3-70B-Instruct", 70.6e9, 2e-5),
)
"""By size."""

_NEW = "measured with a new student of 0.26 million weights (docs/log.md)"
NEW_STUDENT: Mapping[str, PresetValue] = MappingProxyType(
    {f"training.{key}": PresetValue(value, _NEW) for key, value in (("batch_size", 16), ("learning_rate", 3e-3), ("warmup_steps", 50))}
)
"""Values for a student from scratch."""


def student_rate(model: str, parameters: int | None) -> PresetValue:
    """The paper's learning rate for this student, else that of its next larger one. The lowest if the size is unknown."""
    named = next((each for each in R1_STUDENTS if each.model == model), None)
    larger = next((each for each in R1_STUDENTS if parameters is not None and parameters <= each.parameters), R1_STUDENTS[-1])
    found = named or larger
    return PresetValue(found.learning_rate, f"the paper's for {found.model.rpartition('/')[2]}")
