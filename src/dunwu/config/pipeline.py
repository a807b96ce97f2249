"""Stages of a pipeline that have no configuration elsewhere: a file from outside, a measurement, a function of the user's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dunwu.config.base import Config
from dunwu.config.references import CodeRef, DataRef, ModelRef
from dunwu.config.zero import EngineConfig, EvalConfig, PromptTemplate

ArtefactKind = Literal["model", "reward_model", "data", "evaluation"]
"""What a stage makes and others take: a Hugging Face folder, one with a scalar head, rows, measurements."""


class FileConfig(Config):
    """A file or folder from outside. It stays where it is; what counts is its content."""

    path: DataRef
    holds: ArtefactKind = "data"


class EvaluateConfig(Config):
    """Held-out measurements of a model."""

    model: ModelRef = "tiny"
    """`tiny` (the bundled base), a local Hugging Face folder, or a hub id."""
    evaluations: Annotated[tuple[EvalConfig, ...], Field(min_length=1)] = (EvalConfig(),)
    template: PromptTemplate = "tiny"
    """Prompt template."""
    engine: EngineConfig = EngineConfig()
    max_prompt_tokens: Annotated[int, Field(ge=1)] = 4096
    """Longer prompts are refused, never cut."""
    reward_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that verify; 0 verifies in this one."""
    reward_timeout: Annotated[float, Field(gt=0)] = 5.0
    """Seconds for one verdict, besides those a program may take."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 takes all cores."""


class OwnConfig(Config):
    """A stage of yours: a function in a Python file, called as `function(out, files, **parameters)`."""

    function: CodeRef
    """`path/to/file.py:function`. It writes into the empty folder `out` (a `Path`); same files and parameters, same bytes."""
    makes: ArtefactKind = "data"
    files: dict[str, DataRef] = Field(default_factory=dict)
    """What it reads, by name: files from outside, or by `inputs: {files.NAME: STAGE}` what other stages made."""
    parameters: dict[str, Any] = Field(default_factory=dict)
