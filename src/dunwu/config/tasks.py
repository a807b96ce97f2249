"""Tasks: the sources of problems."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from dunwu.config.base import Config, Positive, as_tuples
from dunwu.config.references import CodeRef, DataRef
from dunwu.config.task_names import CODE, GENERATED, REASONING_GYM, data_name, listed_with_task, task_keys
from dunwu.types import Language

Languages = Annotated[tuple[Language, ...], Field(min_length=1)]
Wording = Literal["short", "full"]
Number = bool | int | float
Unusable = Literal["refuse", "drop"]
HeldOutSplit = Literal["validation", "test"]
DatasetVerifier = Literal["auto", "number", "plain_number", "math", "choice", "text", "names", "refusal", "json_schema", "instructions"]


class GeneratedProblems(Config):
    """Generated problems, in several languages."""

    languages: Languages = ("en", "zh")
    """Languages of the prompt, drawn with equal weight."""
    wording: Wording = "short"
    """`short`: the tiny world's wording; `full`: with the rules and the place of the answer, for any other model."""


class Rows(Config):
    """Problems that are rows of a data set."""

    unusable: Unusable = "refuse"
    """What to do with rows without a problem or an answer, over max_prompt_tokens, or with a gold that cannot be verified against. refuse:
    stop with an error that names the first; drop: drop and count them."""


class RowsInALanguage(Rows):
    """Rows that may name their language in a column `language`."""

    language: Language = "en"
    """Language of rows that do not name one."""


class CountdownTask(GeneratedProblems):
    """Reach a target with ``+ - * /`` and each number exactly once."""

    kind: Literal["countdown"] = "countdown"
    levels: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 3, 4)
    """Difficulty levels, drawn with equal weight. 1: three numbers up to 10, targets 10 to 50; 2: three up to 20, to 99; 3: four up to 10,
    to 50; 4: four up to 13, to 99; 5: four up to 99, to 999."""


class Game24Task(GeneratedProblems):
    """The Game of 24 (1,362 puzzles with human solving times); the test split is ranks 901-1000."""

    kind: Literal["game24"] = "game24"


class ArithmeticTask(GeneratedProblems):
    """Compute chains of ``+ - *`` with 2 to ``max_terms`` numbers."""

    kind: Literal["arithmetic"] = "arithmetic"
    max_terms: Annotated[int, Field(ge=2, le=8)] = 4
    """Numbers of the longest chain."""


class DatasetTask(RowsInALanguage):
    """Rows with a problem and an answer: a local JSONL/Parquet file or folder, ``gsm8k`` or ``math``, or a hub id."""

    kind: Literal["dataset"] = "dataset"
    path: DataRef
    """``gsm8k``, ``math``, a file, a folder with ``train``/``test`` files, or a hub id
    (``owner/name``, or ``owner/name:subset``)."""
    problem_column: str | None = None
    """Column of the problem, which may be nested (``prompt.0.content``); null: the first of ``problem``, ``question``, ``prompt`` (a text
    or messages), ``instruction`` (with ``input``) and ``query``."""
    answer_column: str | None = None
    """Column of the gold answer, which may be nested; null: the first of ``answer``, ``solution``, ``reward_model.ground_truth`` and
    ``ground_truth``."""
    verifier: DatasetVerifier = "auto"
    """How answers are verified. auto: as numbers if the gold answer is one, else as mathematics. plain_number: the answer must be one
    number (``2 + 3`` is not 5). choice reads an optional column ``options``, json_schema a column ``schema``, instructions a column
    ``instructions`` or the columns of IFEval; names: all names of a list, in any order; refusal: the gold is refuse (or unsafe, harmful)
    or answer (or safe, harmless). Custom rewards see the other columns."""
    statement: str | None = None
    """Text of the problem with columns in braces, such as `{question} Answer in months.`; `{options}` stands for the options with their
    letters. null: the problem column alone, and the options below it."""
    option_columns: tuple[str, ...] = ()
    """Columns of the options of a multiple-choice question in their order, or one column with a list. The answer is then a letter, the
    text of an option, or its number from 0. If the answer's column is one of these, the options are shuffled, by the question."""
    gold: str | None = None
    """The gold answer of all rows, which then need no answer column, such as refuse. null: each row has its own."""
    only: dict[str, str] = Field(default_factory=dict)
    """Read only rows whose columns have these values, such as {type: mcq}."""
    only_split: HeldOutSplit | None = None
    """For sets that are for evaluation only: the rows of this split are the problems of every evaluation, or all rows if none are named
    so; the others are not read. null: rows are split for training and evaluation."""

    def __hash__(self) -> int:
        return hash((self.path, self.verifier, self.statement, self.option_columns))  # a mapping has none


class ReasoningGymTask(Config):
    """Any data set of reasoning-gym; an answer is right only if its score is exactly 1.0."""

    kind: Literal["reasoning_gym"] = "reasoning_gym"
    name: str
    """Name of the data set."""
    size: Positive = 10_000
    """Problems generated."""
    parameters: dict[str, Number | tuple[Number, ...]] = Field(default_factory=dict)
    """Parameters of the data set that are numbers, true, false or lists of them, such as {min_terms: 2, max_terms: 3}; others have the
    values of reasoning-gym."""
    title: str | None = None
    """Name of the task in metrics; null: that of the data set. Distinguishes several grades of one data set in a mixture."""

    def __hash__(self) -> int:
        return hash((self.name, self.size, self.title))  # a mapping has none


CodeDataset = Literal["humaneval", "mbpp", "mbpp_sanitized", "gcj", "codecontests"]


class CodeTask(Rows):
    """Problems whose answer is a program, which runs in the sandbox: a data set by name, or files in the same formats."""

    kind: Literal["code"] = "code"
    dataset: CodeDataset | None = None
    """Name of a data set, read from a folder of that name below ``DUNWU_DATA``, else from the hub; ``humaneval`` is for evaluation only."""
    path: DataRef | None = None
    """Instead of a name: a file, a folder or a hub id, with the columns of HumanEval, of MBPP, or ``statement`` and ``tests``."""
    programming_language: Literal["python", "cpp"] = "python"
    """Language of the answer; C++ only for problems with standard input and output."""
    cpu_seconds: Annotated[float, Field(gt=0)] = 2.0
    """CPU time of one test case, unless the problem allows more; the wall time limit is twice as long."""
    total_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Wall time of all cases of one program, added to the time limit of a reward, so that a program that sleeps is wrong, not excluded."""
    memory_mib: Annotated[int, Field(gt=0)] = 512
    """Memory that a program may use, MiB."""
    max_cases: Positive = 200
    """Test cases of a problem with standard input and output, the public ones first."""
    only_split: HeldOutSplit | None = None
    """For sets that are for evaluation only, as in the task dataset."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.dataset is None) == (self.path is None):
            raise ValueError("give either dataset (a name) or path")
        return self


class EnvironmentTask(RowsInALanguage):
    """The rows of an environment of the `verifiers` library; its rubric is the part `environment` of the reward."""

    kind: Literal["environment"] = "environment"
    function: CodeRef
    """``path/to/file.py:load_environment``, a function that returns the environment."""
    name: str = "environment"
    """Name of the task in metrics."""


class ChatTask(RowsInALanguage):
    """General prompts, which have no verifier: they are scored by reward models, not by accuracy."""

    kind: Literal["chat"] = "chat"
    path: DataRef
    """A data file, or a folder of them; rows with `prompt` or `messages`, and optionally
    `reference`, `category`, `language` and `harmful` (true or false)."""
    name: str = "chat"
    """Name of the task in metrics and in `tasks` of a reward part."""
    categories: tuple[str, ...] = ()
    """Only rows of these categories; empty: all."""


def _spelled_out(task: Any, info: ValidationInfo) -> Any:
    """A task's keys for its name, and the wording of the context (`dunwu.config.load.validate`) for built-in tasks that set none."""
    keys = as_tuples(task_keys(task) if isinstance(task, str) else task)
    if isinstance(keys, dict) and keys.get("kind") in GENERATED and info.context:
        return {"wording": info.context["wording"], **keys}
    return keys


TaskConfig = Annotated[
    CountdownTask | Game24Task | ArithmeticTask | DatasetTask | ReasoningGymTask | CodeTask | EnvironmentTask | ChatTask,
    Field(discriminator="kind"),
    BeforeValidator(_spelled_out),
]
"""A task by its keys or by its name, such as `gsm8k` (`dunwu.config.task_names`)."""


class WeightedTask(Config):
    """One source of a mixture of training problems."""

    task: TaskConfig
    """The source."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight in the mixture, relative to the other tasks."""


def each_with_task(value: Any) -> Any:
    """`listed_with_task` with tuples, as the types of the configuration are."""
    return as_tuples(listed_with_task(value))


def _some(tasks: tuple[WeightedTask, ...]) -> tuple[WeightedTask, ...]:
    if not tasks:
        raise ValueError("the list is empty; name a task, such as countdown, gsm8k or rows.jsonl")
    return tasks


Tasks = Annotated[tuple[WeightedTask, ...], BeforeValidator(each_with_task), AfterValidator(_some)]
"""Sources of a mixture, such as `gsm8k`, `[gsm8k, game24]` or `[{task: gsm8k, weight: 2.0}, game24]`."""


def task_name(task: TaskConfig) -> str:
    """The name that the configuration accepts, without the task's other keys."""
    match task:
        case DatasetTask():
            return task.path
        case CodeTask():
            return task.dataset or f"{CODE}{task.path}"
        case ReasoningGymTask():
            return f"{REASONING_GYM}{task.name}"
        case _:
            return task_title(task)


def task_title(task: TaskConfig) -> str:
    """The name under which a task is shown, the same as in its metrics."""
    match task:
        case DatasetTask():
            return data_name(task.path)
        case CodeTask():
            return task.dataset or data_name(task.path or "")
        case ReasoningGymTask():
            return task.title or task.name
        case EnvironmentTask() | ChatTask():
            return task.name
        case _:
            return task.kind
