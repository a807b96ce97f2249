"""Stages that exist only in pipelines: an external file, an evaluation, a custom function."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dunwu.config.base import Config
from dunwu.config.blocks import Measuring
from dunwu.config.references import CodeRef, DataRef
from dunwu.config.zero import EvalConfig, Evaluations

ArtefactKind = Literal["model", "reward_model", "data", "evaluation"]
"""Kinds of artefacts: a Hugging Face folder, one with a scalar head, rows, measurements."""


class FileConfig(Config):
    """An external file or folder. It is not copied; the stage's identity depends on its content, not on its path."""

    path: DataRef
    """The file or folder."""
    holds: ArtefactKind = "data"
    """Kind of the artefact."""


class EvaluateConfig(Measuring):
    """Evaluates a model on eval sets."""

    evaluations: Annotated[Evaluations, Field(min_length=1)] = (EvalConfig(),)
    """The eval sets."""


class OwnConfig(Config):
    """A custom stage: a function in a Python file, called as `function(out, files, **parameters)`."""

    function: CodeRef
    """`path/to/file.py:function`. It writes into the empty folder `out` (a `Path`); equal files and parameters must give equal bytes."""
    makes: ArtefactKind = "data"
    """Kind of the artefact it writes."""
    files: dict[str, DataRef] = Field(default_factory=dict)
    """Inputs by name: external files, or other stages' artefacts by `inputs: {files.NAME: STAGE}`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the function."""
