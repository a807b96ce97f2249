"""A saved checkpoint that probes measure. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Saved:
    """A checkpoint of a ``line`` of training: a run, or a stage of a pipeline. ``template``: how it is asked."""

    line: str
    name: str
    model: str
    flops: float
    template: Any = "tiny"
