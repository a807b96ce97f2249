"""The existing data that the stages of a pipeline would read, for ``--dry-run``; read as the stages read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dunwu.config.base import Config
from dunwu.config.data_replies import RejectionConfig
from dunwu.config.references import SUFFIXES, references
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import DunwuError
from dunwu.jobs.outside import outside_files
from dunwu.jobs.preview import is_made, preview_rejection, preview_reward_model, preview_sft, preview_zero
from dunwu.jobs.reward_checks import check_parts
from dunwu.models.hub_ids import local_folder
from dunwu.pipeline.execute import check_stage
from dunwu.pipeline.graph import Stage
from dunwu.process.hub import is_cached
from dunwu.tasks.rows import local_rows

DATA = ("tasks", "evaluations", "data", "validation")
"""Keys of trainers that name sources of rows."""


def preview_stages(stages: Sequence[Stage]) -> list[str]:
    """A line for each thing that stages read, after their names, except outputs of others. Raises ``UserError`` as the run would."""
    named: dict[str, list[str]] = {}
    for stage in stages:
        check_stage(stage)
        try:
            for line in (*_read(stage.work), *_from_the_hub(stage.work)):
                named.setdefault(line, []).append(stage.name)
        except DunwuError as error:
            raise type(error)(f"stage {stage.name}: {error}") from error
    return [f"{', '.join(names)}: {line}" for line, names in named.items()]


def _from_the_hub(work: Config) -> Iterator[str]:
    """Models that are no folder here, as a misspelt path would be."""
    for key, name, kind in references(work):
        if kind == "model" and not is_made(name) and local_folder(name) is None and not is_cached(name):
            yield f"{key} = {name} is no folder here: it is taken as a model of the hub, which a dry run does not ask"


def _read(work: Config) -> Iterator[str]:
    if isinstance(work, ZeroConfig | SftConfig | RewardModelConfig) and not any(_is_made(getattr(work, key, None)) for key in DATA):
        if isinstance(work, ZeroConfig):
            yield from preview_zero(work)
        else:
            yield from preview_sft(work) if isinstance(work, SftConfig) else preview_reward_model(work)
        return
    if isinstance(work, ZeroConfig):
        check_parts(work)
    if isinstance(work, RejectionConfig) and not _is_made(work.tasks):
        yield from preview_rejection(work)
    for key, found in outside_files(work).items():
        if found.path.name.endswith(SUFFIXES):
            yield f"{key}: {len(local_rows(found.path)):,} rows"


def _is_made(value: Any) -> bool:
    """True if another stage makes it or a part of it."""
    if isinstance(value, Config):
        return any(_is_made(getattr(value, name)) for name in type(value).model_fields)
    if isinstance(value, tuple | list):
        return any(map(_is_made, value))
    return isinstance(value, str) and is_made(value)
