"""Few-shot examples from a file of rows, by the row reader of all commands."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from dunwu.config.base import Config
from dunwu.config.template import Shot, ShotFile, TemplateConfig
from dunwu.data.io.conversations import conversation
from dunwu.errors import ConfigError, DataError
from dunwu.tasks.forms import renamed
from dunwu.tasks.rows import Row, stream_rows

AnyConfig = TypeVar("AnyConfig", bound=Config)


def with_examples(config: AnyConfig) -> AnyConfig:
    """The configuration with the examples themselves for a file, so that a run does not depend on it once it has started."""
    template: Any = getattr(config, "template", None)
    if not isinstance(template, TemplateConfig) or not isinstance(template.few_shot, ShotFile):
        return config
    read = template.model_copy(update={"few_shot": examples(template)})
    return config.model_copy(update={"template": read})


def examples(template: TemplateConfig) -> tuple[Shot, ...]:
    """The examples of a template. Raises ``UserError`` for a file that cannot be read, has too few rows, or rows of no known form."""
    source = template.few_shot
    if not isinstance(source, ShotFile):
        return source
    try:
        rows = _rows(source)
        found = tuple(_example(renamed(row, source.columns)) for row in rows)
    except DataError as error:
        raise DataError(f"template.few_shot: {error}") from error
    if len(found) < source.count:
        raise ConfigError(f"template.few_shot: {source.file} has {len(found)} rows; set template.few_shot.count to {len(found)} at most")
    return found


def _rows(source: ShotFile) -> list[Row]:
    rows = stream_rows(Path(source.file).expanduser())
    if source.seed is None:
        return list(islice(rows, source.count))
    found = list(rows)
    return random.Random(source.seed).sample(found, min(source.count, len(found)))


def _example(row: Row) -> Shot:
    """A row with one question and one answer; reasoning is written in its tags."""
    turns = conversation(row)
    if [turn.role for turn in turns] != ["user", "assistant"]:
        roles = ", ".join(turn.role for turn in turns)
        raise DataError(f"{row.where}: an example is one question and its answer, not {roles}; choose other rows, or set columns")
    question, answer = turns
    thought = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    return Shot(question=question.content, answer=thought + answer.content)
