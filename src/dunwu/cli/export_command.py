"""`dunwu export`: a model's folder with a card, ready for the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_folder
from dunwu.errors import ModelError, UserError
from dunwu.models.hub_ids import check_model, local_folder
from dunwu.pipeline.history import history_of
from dunwu.pipeline.lineage import checkpoint_fault
from dunwu.pipeline.run_models import model_of
from dunwu.run.console import ConsoleReporter
from dunwu.run.step_manifest import folder_step


@dataclass(frozen=True)
class ExportOptions:
    """Write a model folder that is ready for the Hugging Face hub: weights, tokenizer, a chat template that asks as the model was trained,
    and a card that says how it was made. Nothing is sent anywhere without --push."""

    model: tyro.conf.Positional[str]
    """A run directory (its newest checkpoint), a checkpoint or other local Hugging Face folder, a hub id, or tiny."""
    out: Path
    """The new folder."""
    name: str = ""
    """Name of the model in its card; by default that of the folder."""
    license: str | None = None
    """The hub's id of its licence, such as apache-2.0; by default that of the base model, as far as it is known."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Precision of the weights; by default that of the checkpoint."""
    gguf: bool = False
    """Add a GGUF file by llama.cpp's converter, from the folder that DUNWU_LLAMA_CPP names."""
    push: str | None = None
    """Upload the folder to this repository of the hub, such as owner/name; a new one is private. Needs a token (hf auth login)."""


def run(arguments: Sequence[str]) -> int:
    """Exports the model."""
    options, rest = parse_options(ExportOptions, "export", arguments)
    refuse_rest("export", rest)
    if options.name and not options.name.isprintable():
        raise UserError(f"--name {options.name!r}: give a name on one line")
    check_folder(options.out, "a folder to write in")
    reporter = ConsoleReporter()
    model = model_of(os.path.expanduser(options.model), reporter)
    check_model(model)
    _check_files(model)
    history = history_of(model, reporter)
    from dunwu.jobs.export_model import Export, run_export  # torch takes seconds to import

    wanted = Export(options.out, options.name, options.license, options.dtype, options.push, options.gguf)
    run_export(model, wanted, history, reporter)
    return 0


def _check_files(model: str) -> None:
    """Raise ``ModelError`` for a checkpoint whose files are not as they were written."""
    folder = local_folder(model)
    if folder is not None and folder_step(folder) is not None and (fault := checkpoint_fault(folder)):
        raise ModelError(f"{fault}: give another checkpoint of the run")
