"""What the problems are."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dunwu.config.base import Config
from dunwu.config.references import CodeRef, DataRef
from dunwu.types import Language

Languages = Annotated[tuple[Language, ...], Field(min_length=1)]
Wording = Literal["short", "full"]
Unusable = Literal["refuse", "drop"]


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
    """Rows with a problem and an answer: a local JSONL/Parquet file or folder, ``gsm8k`` or ``math``, or a hub id."""

    kind: Literal["dataset"] = "dataset"
    path: DataRef
    """``gsm8k``, ``math``, a file, a folder with ``train``/``test`` files, or a hub id
    (``owner/name``, or ``owner/name:subset``)."""
    problem_column: str | None = None
    """``None``: ``problem``, else ``question``, else ``prompt``."""
    answer_column: str | None = None
    """``None``: ``answer``, else ``solution``."""
    verifier: Literal["auto", "number", "plain_number", "math", "choice", "text", "json_schema", "instructions"] = "auto"
    """How answers are checked. auto: as numbers where the gold answer is one, else as mathematics. plain_number: the number must be
    worked out (``2 + 3`` is not 5), as sums to be computed want it. choice may have a column ``options``, json_schema has a column
    ``schema``, instructions one of that name; the other columns reach a reward of your own."""
    language: Language = "en"
    """Of rows whose column ``language`` does not say."""
    unusable: Unusable = "refuse"
    """Rows without a problem or an answer, over max_prompt_tokens, or with a gold that nothing can be verified against: refuse names the
    first, drop leaves them out."""


class ReasoningGymTask(Config):
    """Any data set of reasoning-gym; an answer is right only at a score of exactly 1.0."""

    kind: Literal["reasoning_gym"] = "reasoning_gym"
    name: str
    size: Annotated[int, Field(ge=1)] = 10_000


CodeDataset = Literal["humaneval", "mbpp", "mbpp_sanitized", "gcj", "codecontests"]


class CodeTask(Config):
    """Problems whose answer is a program, which runs in the sandbox: a data set by name, or files like theirs."""

    kind: Literal["code"] = "code"
    dataset: CodeDataset | None = None
    """From a folder of this name below ``DUNWU_DATA``, else from the hub; ``humaneval`` is for evaluation only."""
    path: DataRef | None = None
    """Instead of a name: a file, a folder or a hub id, with the columns of HumanEval, of MBPP, or ``statement`` and ``tests``."""
    programming_language: Literal["python", "cpp"] = "python"
    """C++ for problems with standard input and output only."""
    cpu_seconds: Annotated[float, Field(gt=0)] = 2.0
    """Of one test case, where the problem itself allows no more; the time on the clock is twice as much."""
    total_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Of all cases of one program, on the clock. A reward may take as much besides its own time: a sleeper is wrong, not excluded."""
    memory_mib: Annotated[int, Field(gt=0)] = 512
    max_cases: Annotated[int, Field(ge=1)] = 200
    """Of a problem with standard input and output, the public ones first."""
    unusable: Unusable = "refuse"
    """Rows over max_prompt_tokens, or with a gold that nothing can be verified against: refuse names the first, drop leaves them out."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.dataset is None) == (self.path is None):
            raise ValueError("give either dataset (a name) or path")
        return self


class EnvironmentTask(Config):
    """The rows of an environment in the manner of the `verifiers` library; its rubric is the part `environment` of the reward."""

    kind: Literal["environment"] = "environment"
    function: CodeRef
    """``path/to/file.py:load_environment``, a function that returns the environment."""
    name: str = "environment"
    """What metrics call the task."""
    language: Language = "en"
    unusable: Unusable = "refuse"
    """Rows over max_prompt_tokens, or with a gold that nothing can be verified against: refuse names the first, drop leaves them out."""


class ChatTask(Config):
    """General prompts, which have no verifier: accuracy does not apply to them, reward models do."""

    kind: Literal["chat"] = "chat"
    path: DataRef
    """A `.jsonl`, `.jsonl.gz` or `.parquet` file, or a folder of them; rows with `prompt` or `messages`, and maybe `reference`,
    `category`, `language` and `harmful` (true or false)."""
    name: str = "chat"
    """What metrics and the `tasks` of a reward's part call the task."""
    categories: tuple[str, ...] = ()
    """Only rows of these categories; empty: all."""
    language: Language = "en"
    """Of rows that do not say."""
    unusable: Unusable = "refuse"
    """Rows over max_prompt_tokens, or with a gold that nothing can be verified against: refuse names the first, drop leaves them out."""


TaskConfig = Annotated[
    CountdownTask | Game24Task | ArithmeticTask | DatasetTask | ReasoningGymTask | CodeTask | EnvironmentTask | ChatTask,
    Field(discriminator="kind"),
]


class WeightedTask(Config):
    """One source of a mixture of training problems."""

    task: TaskConfig
    weight: Annotated[float, Field(gt=0)] = 1.0
