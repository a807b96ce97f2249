"""The stage that is a function of the user's own."""

from __future__ import annotations

from pathlib import Path

from dunwu.config.pipeline import OwnConfig
from dunwu.errors import DataError
from dunwu.process.own_code import load_function
from dunwu.run.reporter import QUIET, Reporter


def run_own(config: OwnConfig, out: Path, reporter: Reporter = QUIET) -> Path:
    """Call the function with the empty folder ``out``, the paths of its files and its parameters. What it prints is its own affair.

    What it raises goes through with its traceback, which its author needs. Raises `DataError` where it leaves ``out`` empty.
    """
    load_function(config.function)(out, {name: Path(path) for name, path in config.files.items()}, **config.parameters)
    if not any(out.iterdir()):
        raise DataError(f"{config.function} wrote nothing into its folder: it must write there what it makes")
    return out
