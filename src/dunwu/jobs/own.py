"""The stage that calls a custom function."""

from __future__ import annotations

from pathlib import Path

from dunwu.config.pipeline import OwnConfig
from dunwu.errors import DataError
from dunwu.process.own_code import load_function
from dunwu.run.reporter import QUIET, Reporter


def run_own(config: OwnConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Call the function with the empty folder ``out``, the paths of its files and its parameters. Its output is not captured.

    Its exceptions pass through with their traceback, which its author needs. Raises `DataError` if ``out`` is still empty afterwards.
    """
    load_function(config.function)(out, {name: Path(path) for name, path in config.files.items()}, **config.parameters)
    if not any(out.iterdir()):
        raise DataError(f"{config.function} wrote nothing into its folder: write its result there")
    return out
