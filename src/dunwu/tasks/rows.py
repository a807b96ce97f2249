"""Rows of a data set, from local files (`dunwu.tasks.containers`) or from the Hugging Face hub: the one reader of all commands."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dunwu.config.references import STREAMED, SUFFIXES
from dunwu.errors import DataError
from dunwu.process.hub import hub_answers
from dunwu.tasks.containers import read_file
from dunwu.types import Split

FileSplit = Literal["train", "validation", "test", "unnamed"]
ENDINGS = ".jsonl, .json, .csv, .tsv (each also .gz) or .parquet"

_SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its columns, its file (or hub id) and split, and its number from 1 (in JSONL, CSV and TSV: the line)."""

    columns: dict[str, Any]
    source: str
    number: int
    split: FileSplit
    position: int = 0
    """Bytes of the files read so far, for an ETA."""

    @property
    def where(self) -> str:
        """The row's name in error messages."""
        return f"{self.source}, row {self.number}"


def local_rows(path: Path) -> list[Row]:
    """All rows of a file, or of the data files in a folder and its sub-folders. Raises DataError if there are none."""
    return list(stream_rows(path))


def first_row(path: Path) -> Row:
    """The first row of a file or folder, without reading the rest. Raises DataError as `local_rows`."""
    return next(stream_rows(path))


def stream_rows(path: Path) -> Iterator[Row]:
    """`local_rows` as a stream, which keeps none of them."""
    row, done = None, 0
    for file in data_files(path):
        split = split_of_name(file.name)
        for number, columns, position in read_file(file):
            yield (row := Row(columns, str(file), number, split, done + position))
        done += file.stat().st_size
    if row is None:
        raise DataError(f"{path} has no rows: give a file with at least one")


def data_files(path: Path) -> list[Path]:
    """The data files at ``path``, sorted by name. Raises ``DataError`` if there is none that can be read."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and file.is_file())
        if not files:
            raise DataError(f"{path} holds no data file: put {ENDINGS} files there")
        return [file for file in files if file.name.endswith(STREAMED)] or files
    if not path.exists():
        raise DataError(f"{path} does not exist: {_nearest(path)}")
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"{path} has an unknown format: convert it to one of {ENDINGS}")
    if not path.is_file():
        raise DataError(f"{path} is a pipe or device, and data is read more than once: save it as a file")
    return [path]


def _nearest(path: Path) -> str:
    """A remedy for a missing file: the data file beside it with the nearest name."""
    beside = [file.name for file in path.parent.iterdir() if file.name.endswith(SUFFIXES)] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    return f"did you mean {path.parent / near[0]}?" if near else f"give a {ENDINGS} file or a folder of them"


def split_of_name(name: str) -> FileSplit:
    """The split in a file's name: ``math500_test.jsonl`` is test, ``train-00000.parquet`` train, ``rows.jsonl`` unnamed."""
    for word in re.split(r"[^a-z]+", name.lower()):
        if word in _SPLIT_WORDS:
            return _SPLIT_WORDS[word]
    return "unnamed"


def held_out_files(files: Iterable[str]) -> frozenset[str]:
    """The files named test or validation, if there are others beside them. A file that is named alone is wanted as it is."""
    splits = {file: split_of_name(Path(file).name) for file in files}
    held_out = frozenset(file for file, split in splits.items() if split in ("test", "validation"))
    return held_out if len(held_out) < len(splits) else frozenset()


def check_hub_reader(hub_id: str) -> None:
    """Raises ``DataError`` without the package that reads hub data sets. Imports nothing."""
    if importlib.util.find_spec("datasets") is None:
        raise _no_reader(hub_id)


def _no_reader(hub_id: str) -> DataError:
    return DataError(f"data set {hub_id!r} is on the hub and `datasets` is not installed: pip install 'dunwu[data]'")


def hub_rows(hub_id: str, subset: str | None) -> list[Row]:
    """All rows of a hub data set. The one place that imports ``datasets``."""
    try:
        import datasets
    except ImportError as error:
        raise _no_reader(hub_id) from error
    datasets.config.HF_HUB_OFFLINE = not hub_answers()  # then only its cache: it would try for minutes
    try:
        splits = datasets.load_dataset(hub_id, subset)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"data set {hub_id!r} could not be loaded from the hub: {reason}; check its name and the network, or give a local file"
        ) from error
    return [
        Row(dict(columns), f"{hub_id}/{name}", number, split_of_name(name))
        for name, split in splits.items()
        for number, columns in enumerate(split, 1)
    ]
