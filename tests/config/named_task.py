"""The task that a configuration makes of a name."""

from __future__ import annotations

from dunwu.config.tasks import TaskConfig, Wording
from dunwu.config.zero import EvalConfig


def parse_task(text: str, wording: Wording = "short") -> TaskConfig:
    """The task of this name, with this wording if it has one."""
    return EvalConfig.model_validate({"task": text}, context={"wording": wording}).task
