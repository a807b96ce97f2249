"""The first row of every file that a command would read, checked within a moment: before torch is imported and a model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dunwu.config.base import Config
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import ChatTask, CodeTask, DatasetTask, TaskConfig
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.data.io.conversations import conversation, is_bad
from dunwu.data.io.preferences import labelled_of, pair_of
from dunwu.errors import ConfigError
from dunwu.tasks.dataset import check_columns, resolve
from dunwu.tasks.forms import CONVERSATIONS, LABELLED, PAIRS, Form, form_of, renamed
from dunwu.tasks.rows import Row, first_row
from dunwu.tasks.shapes import as_read, shaped

NO_DATA = "data is not set: give --data FILE; `dunwu data` lists a sample file of each format, and `dunwu data FILE` shows what is read"


def check_first_rows(config: Config) -> None:
    """Raise ``UserError`` if a local file is missing or unreadable, or its first row is not what the command reads."""
    match config:
        case SftConfig():
            conversations_taken(config)
        case RewardModelConfig():
            preferences_taken(config)
        case ZeroConfig():
            for task in _tasks(config):
                _check_task(task)
        case EvalConfig():
            _check_task(config.task)


def conversations_taken(config: SftConfig) -> str:
    """What `dunwu sft` takes from the rows, in words, by the first one. Raises ``UserError`` as `check_first_rows`."""
    if config.data is None:
        raise ConfigError(NO_DATA)
    rows = [_first(path, config.columns) for path in (config.data, config.validation) if path is not None]
    for row in rows:
        if not is_bad(row):
            conversation(row)
    return _in_words(rows[0], CONVERSATIONS) + ("; rows with a bad label are dropped" if "label" in rows[0].columns else "")


def preferences_taken(config: RewardModelConfig) -> str:
    """What `dunwu reward-model` takes from the rows, as `conversations_taken`."""
    if config.data is None:
        raise ConfigError(NO_DATA)
    row = _first(config.data, config.columns)
    if config.only:
        return "rows with " + ", ".join(f"{name} = {value}" for name, value in config.only.items())
    if config.criterion == "helpfulness":
        pair_of(row)
        return _in_words(row, PAIRS)
    labelled_of(row)
    truth = "; true is read as safe" if isinstance(row.columns.get("label"), bool) else ""
    return _in_words(row, LABELLED) + truth


def _first(path: str, names: Mapping[str, str]) -> Row:
    return renamed(first_row(Path(path).expanduser()), names)


def _in_words(row: Row, forms: tuple[Form, ...]) -> str:
    form = form_of(row.columns, forms)
    return f"{form.name}: {form.takes}" if form else ""


def _tasks(config: ZeroConfig) -> Iterator[TaskConfig]:
    yield from (each.task for each in config.tasks)
    yield from (each.task for each in config.evaluations)


def _check_task(task: TaskConfig) -> None:
    source = resolve(task.path) if isinstance(task, DatasetTask | ChatTask | CodeTask) and task.path else None
    if isinstance(source, Path):
        row = first_row(source)
        if isinstance(task, DatasetTask):
            check_columns(shaped(row, task), as_read(task))
