"""What the problems are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dunwu.config.base import Config
from dunwu.types import Language

Languages = Annotated[tuple[Language, ...], Field(min_length=1)]
Wording = Literal["short", "full"]


class CountdownTask(Config):
    """Reach a target with each number used exactly once and ``+ - * /``."""

    kind: Literal["countdown"] = "countdown"
    levels: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 3, 4)
    """Difficulty levels, drawn with equal weight; ``dunwu.tasks.countdown.LEVELS`` says what each is."""
    languages: Languages = ("en", "zh")
    """Languages of the prompt, drawn with equal weight."""
    wording: Wording = "short"
    """`short`: the tiny world's wording; `full`: the rules and the place of the answer spelled out, for any other model."""


class Game24Task(Config):
    """The Game of 24 (1,362 puzzles with human solving times); the test split is ranks 901-1000."""

    kind: Literal["game24"] = "game24"
    languages: Languages = ("en", "zh")
    wording: Wording = "short"
    """`short`: the tiny world's wording; `full`: the rules and the place of the answer spelled out, for any other model."""


class ArithmeticTask(Config):
    """Chains of ``+ - *`` to be computed, 2 to ``max_terms`` numbers."""

    kind: Literal["arithmetic"] = "arithmetic"
    max_terms: Annotated[int, Field(ge=2, le=8)] = 4
    languages: Languages = ("en", "zh")
    wording: Wording = "short"
    """`short`: the tiny world's wording; `full`: the rules and the place of the answer spelled out, for any other model."""


class DatasetTask(Config):
    """Rows with a problem and a numeric answer: a local JSONL/Parquet file or folder, ``gsm8k`` or ``math``, or a hub id."""

    kind: Literal["dataset"] = "dataset"
    path: str
    """``gsm8k``, ``math``, a file, a folder with ``train``/``test`` files, or a hub id
    (``owner/name``, or ``owner/name:subset``)."""
    problem_column: str | None = None
    """``None``: ``problem``, else ``question``, else ``prompt``."""
    answer_column: str | None = None
    """``None``: ``answer``, else ``solution``."""
    language: Language = "en"


class ReasoningGymTask(Config):
    """Any data set of reasoning-gym; an answer is right only at a score of exactly 1.0."""

    kind: Literal["reasoning_gym"] = "reasoning_gym"
    name: str
    size: Annotated[int, Field(ge=1)] = 10_000


TaskConfig = Annotated[CountdownTask | Game24Task | ArithmeticTask | DatasetTask | ReasoningGymTask, Field(discriminator="kind")]


class WeightedTask(Config):
    """One source of a mixture of training problems."""

    task: TaskConfig
    weight: Annotated[float, Field(gt=0)] = 1.0
