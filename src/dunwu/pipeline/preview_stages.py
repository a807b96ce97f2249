"""The existing data that the stages of a pipeline would read, for ``--dry-run``; read as the stages read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dunwu.config.base import Config
from dunwu.config.data_replies import RejectionConfig
from dunwu.config.references import SUFFIXES
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import DunwuError
from dunwu.jobs.outside import outside_files
from dunwu.jobs.preview import preview_rejection, preview_reward_model, preview_sft, preview_zero
from dunwu.jobs.reward_checks import check_parts
from dunwu.pipeline.execute import check_stage
from dunwu.pipeline.graph import Stage
from dunwu.tasks.rows import local_rows

DATA = ("tasks", "evaluations", "data", "validation")
"""Keys of trainers that name sources of rows."""


def preview_stages(stages: Sequence[Stage]) -> list[str]:
    """One line for each thing that a stage reads, except outputs of other stages. Raises ``UserError`` as the run would."""
    lines = []
    for stage in stages:
        check_stage(stage)
        try:
            lines += [f"{stage.name}: {line}" for line in _read(stage.work)]
        except DunwuError as error:
            raise type(error)(f"stage {stage.name}: {error}") from error
    return lines


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
    return isinstance(value, str) and value.startswith("@")
