"""`dunwu data`: what a data file holds, and what each command would take from it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

from dunwu.cli.options import parse_options
from dunwu.cli.show import show
from dunwu.config.load import load_config
from dunwu.data.overview import DataKeys, Overview, Purpose, Reading, overview
from dunwu.errors import DataError, RunError
from dunwu.run.reporter import clean
from dunwu.tasks.forms import UNKNOWN
from dunwu.text.surrogates import as_json
from dunwu.text.translate import translate

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
SHOWN = 400
"""Characters shown of a text."""
UNUSABLE = 5
"""Unusable rows that are named."""


@dataclass(frozen=True)
class DataOptions:
    """Show what a data file holds and how each command reads it, before anything is trained; quick, since no model is loaded.

    Set keys of the reader as key=value, such as problem_column=prompt.0.content or columns.completion=response.
    """

    file: tyro.conf.Positional[Path | None] = None
    """A .jsonl, .json, .csv, .tsv (each also .gz) or .parquet file, or a folder of them. Without it, the sample files are listed."""
    purpose: Annotated[Purpose | None, tyro.conf.arg(name="for")] = None
    """Only what this command would read: zero, sft, reward-model or eval."""
    rows: Annotated[int, Field(ge=0)] = 2
    """Rows shown as each command sees them."""
    json: bool = False
    """Print one JSON object instead."""
    samples: Path | None = None
    """Copy the sample files, one of each format, to this folder."""


def run(arguments: Sequence[str]) -> int:
    """Prints what the file holds. Raises `DataError` if no command, or not the one that was asked for, can read it."""
    options, rest = parse_options(DataOptions, "data", arguments)
    if options.file is None:
        _samples(options.samples)
        return 0
    keys = load_config(DataKeys, None, rest, {"path": str(options.file)})
    purposes: tuple[Purpose, ...] = (options.purpose,) if options.purpose else ("zero", "sft", "reward-model")
    found = overview(keys, purposes, options.rows)
    if options.json:
        print(as_json(asdict(found), default=str))
    else:
        _show(found)
    if all(reading.refused for reading in found.readings.values()):
        raise DataError(_refusal(found))
    return 0


def _refusal(found: Overview) -> str:
    """Why no command can read the file: a mistake in a row of a known form before unknown columns."""
    reasons = {purpose: reading.refused for purpose, reading in found.readings.items()}
    first = min(reasons, key=lambda purpose: (UNKNOWN in reasons[purpose], "no column" in reasons[purpose]))
    return reasons[first] if len(reasons) == 1 else f"no command can read it; for {first}: {reasons[first]}"


def _samples(folder: Path | None) -> None:
    files = sorted(file for file in SAMPLES.iterdir() if file.is_file())
    if folder is None:
        show(f"sample files, one of each format, in {SAMPLES}; copy them with --samples FOLDER:")
        print("\n".join(f"  {file.name}" for file in files))
        return
    if taken := next((folder / file.name for file in files if _another(folder / file.name, file)), None):
        raise RunError(f"{taken} exists: give --samples another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    show(f"{len(files)} sample files in {folder}")


def _another(path: Path, sample: Path) -> bool:
    """True if something other than the sample is at its place."""
    return path.exists() and not (path.is_file() and path.read_bytes() == sample.read_bytes())


def _show(found: Overview) -> None:
    for file in found.files:
        show(clean(f"{file.name}: {file.container}, {file.rows:,} rows{'' if file.split == 'unnamed' else f', {file.split} by its name'}"))
    show("columns", label=True)
    width = min(40, max(len(column.name) for column in found.columns)) if found.columns else 0
    for column in found.columns:
        kind = translate(f"{column.kind}, {column.filled:,} of {found.rows:,}", encoding=sys.stdout.encoding)
        print(clean(f"  {column.name:<{width}}  {kind}  {column.example}"))
    for purpose, reading in found.readings.items():
        show("")
        show(clean(f"{'zero, eval' if purpose == 'zero' else purpose}: {reading.takes or f'cannot read it: {_why(reading, found)}'}"))
        _show_reading(reading)


def _why(reading: Reading, found: Overview) -> str:
    """Why a command cannot read the file, without the file's name, which is above."""
    names = (f"{file.name}, " for file in found.files)
    return reading.refused.removeprefix(next(filter(reading.refused.startswith, names), ""))


def _show_reading(reading: Reading) -> None:
    for line in (reading.rows, *(f"warning: {warning}" for warning in reading.warnings)):
        if line:
            show(clean(f"  {line}"))
    if reading.unusable:
        show(f"  {len(reading.unusable):,} unusable rows:")
        print("\n".join(clean(f"    {reason}") for reason in reading.unusable[:UNUSABLE]))
    for row in reading.first:
        show(clean(f"  {row.where}"))
        for name, text in row.parts:
            cut = text if len(text) <= SHOWN else f"{text[:SHOWN]} ... ({len(text):,} characters)"
            print(f"    {name}: " + clean(cut).strip().replace("\n", "\n      "))
