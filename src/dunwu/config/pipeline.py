"""Stages of a pipeline that have no configuration elsewhere: a file from outside, a measurement, a custom function."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dunwu.config.base import Config
from dunwu.config.blocks import Measuring
from dunwu.config.references import CodeRef, DataRef
from dunwu.config.zero import EvalConfig

ArtefactKind = Literal["model", "reward_model", "data", "evaluation"]
"""What a stage makes and others take: a Hugging Face folder, one with a scalar head, rows, measurements."""


class FileConfig(Config):
    """A file or folder from outside. It is not copied; its content is part of the stage's identity, its place is not."""

    path: DataRef
    """The file or folder."""
    holds: ArtefactKind = "data"
    """What it is."""


class EvaluateConfig(Measuring):
    """Measures a model on eval sets."""

    evaluations: Annotated[tuple[EvalConfig, ...], Field(min_length=1)] = (EvalConfig(),)
    """The eval sets."""


class OwnConfig(Config):
    """A custom stage: a function in a Python file, called as `function(out, files, **parameters)`."""

    function: CodeRef
    """`path/to/file.py:function`. It writes into the empty folder `out` (a `Path`); equal files and parameters must give equal bytes."""
    makes: ArtefactKind = "data"
    """What it writes."""
    files: dict[str, DataRef] = Field(default_factory=dict)
    """Its inputs by name: files from outside, or other stages' artefacts by `inputs: {files.NAME: STAGE}`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the function."""
