"""The reward: named parts, each with a weight."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dunwu.config.base import Config, Count, Positive, as_tuples
from dunwu.config.references import CodeRef, ModelRef
from dunwu.config.teacher import TeacherScore

ScopeName = Literal["whole", "reasoning", "visible"]


class PartConfig(Config):
    """A part of the reward."""

    weight: float = 1.0
    """Weight of the part's score in the sum; 0 only measures."""
    tasks: tuple[str, ...] = ()
    """Names of the tasks that the part applies to; empty: all."""


class AccuracyPart(PartConfig):
    """Is the answer right? 1 or 0 by the problem's verifier (or in between, if the verifier gives such a score)."""

    kind: Literal["accuracy"] = "accuracy"


class FormatPart(PartConfig):
    """Does the completion have the required form? 1 or 0."""

    kind: Literal["format"] = "format"
    form: Literal["tags", "boxed", "summary", "reply"] = "tags"
    """tags: the form of the run's `answer_form`: `<think>...</think> <answer>...</answer>` and nothing else, or if that is without tags a
    readable final answer, with or without reasoning before it; boxed: one `\\boxed{}` after the reasoning; summary: a few words besides the
    answer after the reasoning; reply: some text, after at most one chain of thought, as for a greeting."""


class LanguagePart(PartConfig):
    """Share of the chain of thought's words that are in the target language (DeepSeek-R1, section 2.3.2)."""

    kind: Literal["language"] = "language"
    target: str = "prompt"
    """`prompt`: the problem's language; else a language code, such as en or zh."""


class RepetitionPart(PartConfig):
    """From 0 down to -1 by the share of word n-grams that have occurred before."""

    kind: Literal["repetition"] = "repetition"
    words: Annotated[int, Field(ge=2, le=100)] = 20
    """n of the n-grams."""


class WordLimitPart(PartConfig):
    """0 up to `free` words of the whole completion, then linearly down to -1 at `limit`."""

    kind: Literal["words"] = "words"
    free: Count
    """Words without a penalty."""
    limit: Positive
    """Words at which the penalty is largest."""

    @model_validator(mode="after")
    def _check_limit(self) -> Self:
        if self.free >= self.limit:
            raise ValueError(f"free = {self.free} is not below limit = {self.limit}; set it to less, such as a half")
        return self


class OwnPart(PartConfig):
    """A custom function in a Python file, with TRL's signature: `f(prompts, completions, **columns) -> list[float | None]`."""

    kind: Literal["own"] = "own"
    function: CodeRef
    """`path/to/file.py:function`."""
    name: str | None = None
    """Name of the part in metrics; null: the name of the function."""
    scope: ScopeName = "whole"
    """What `completions` holds: the whole completion, its chain of thought, or what the user reads."""
    sees: Literal["completion", "group"] = "completion"
    """completion: called for each completion separately, with lists of one, so that a slow or failing one affects no other. group: called
    with all completions of a prompt, which it can compare or rank."""


class EnvironmentPart(PartConfig):
    """The rubric of an environment of the `verifiers` library: weighted functions of prompt, completion and answer."""

    kind: Literal["environment"] = "environment"
    function: CodeRef
    """`path/to/file.py:load_environment`, a function that returns the environment."""
    name: str = "environment"
    """Name of the part in metrics."""


class ModelPartConfig(PartConfig):
    """A part scored by a reward model in the trainer's process. It applies to problems without a rule verifier, unless `tasks` is set."""

    model: ModelRef
    """Folder of a checkpoint of `dunwu reward-model`, or of a sequence classifier with one label."""
    after: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the run's steps after which the part counts; until then it is not computed."""
    normalise: bool = False
    """Divide each score's distance from its group's mean by the group's standard deviation, so that a weight of 1 is one deviation. Raw
    scores have no fixed scale, so their weight relative to other parts depends on the model."""


class HelpfulnessPart(ModelPartConfig):
    """How much is the answer preferred? Sees only what the user reads; if `tasks` is empty, skips prompts marked harmful."""

    kind: Literal["helpfulness"] = "helpfulness"


class SafetyPart(ModelPartConfig):
    """Log-odds of being safe. Sees everything, the chain of thought included."""

    kind: Literal["safety"] = "safety"


class TeacherPart(PartConfig, TeacherScore):
    """How close is the completion to a teacher's answer to the same problem? Without such an answer the part does not apply."""

    kind: Literal["teacher"] = "teacher"

    @property
    def name(self) -> str:
        """Its name in metrics."""
        return f"{self.kind}-{self.closeness}"


RulePart = AccuracyPart | FormatPart | LanguagePart | RepetitionPart | WordLimitPart | OwnPart | EnvironmentPart
ModelPart = HelpfulnessPart | SafetyPart
AnyPart = Annotated[RulePart | ModelPart | TeacherPart, Field(discriminator="kind")]


def _spelled_out(value: Any) -> Any:
    """``accuracy`` for ``{kind: accuracy}``, ``file.py:function`` for ``{kind: own, function: ...}``, one part for a list of one."""
    parts = [value] if isinstance(value, (str, dict)) else value
    return tuple(_part(part) for part in parts) if isinstance(parts, (list, tuple)) else value


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"kind": "own", "function": part} if ":" in part else {"kind": part}
    return as_tuples(part)


def _some_weight(parts: tuple[PartConfig, ...]) -> tuple[PartConfig, ...]:
    if all(part.weight == 0 for part in parts):
        raise ValueError("every part has weight 0, so nothing would be learned; give one part a weight, such as 1")
    return parts


Parts = Annotated[tuple[AnyPart, ...], Field(min_length=1), BeforeValidator(_spelled_out), AfterValidator(_some_weight)]


class TripwireConfig(Config):
    """Detects reward hacking by a hidden check of a sample of the rollouts, which is never trained on."""

    mode: Literal["disagreement", "divergence"] = "disagreement"
    """disagreement: rollouts that are right by the watched part fail the hidden check. divergence, for scores that are not right or wrong,
    such as a reward model's: the watched part's mean rises while the hidden check's falls."""
    function: CodeRef | None = None
    """A custom function (`file.py:function`, TRL's signature) that returns 1 for a right answer; null: the built-in stricter check."""
    part: str = "accuracy"
    """The watched part of the reward; in disagreement, a score above 0.5 is right."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of the rollouts that are checked."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.2
    """disagreement: the run stops if more than this share of the rewarded and checked rollouts in the window fail the hidden check."""
    rise: Annotated[float, Field(gt=0)] = 1.0
    """divergence: the run stops if, since the first window, the watched part's mean has risen by more than this many standard deviations
    (of that window) and the hidden check's mean has fallen by more than `fall` of its own."""
    fall: Annotated[float, Field(ge=0)] = 0.25
    """divergence: see `rise`; a fall within three standard errors counts as chance."""
    window: Positive = 5
    """Steps in a window."""
    least: Positive = 20
    """Checked rollouts (disagreement: rewarded ones) that a window needs before it can stop a run."""
