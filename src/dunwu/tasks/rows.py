"""Rows of a data set, from local JSONL, JSONL.gz and Parquet files or from the Hugging Face hub."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from dunwu.errors import DataError
from dunwu.process.hub import hub_answers
from dunwu.types import Split

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
FileSplit = Literal["train", "validation", "test", "unnamed"]
ROWS_AT_ONCE = 256
"""Rows of a Parquet file in memory."""

_BLANK = " \t\r\n\ufeff"
"""Stripped from lines of JSONL; concatenated files have byte order marks inside."""
_MISTAKES = (
    (re.compile(r"\x00"), "it looks like UTF-16 without a byte order mark; save it as UTF-8"),
    (re.compile(r"[}\]]\s*,$"), "a comma after it"),
    (re.compile(r"^\[$"), "the file is one JSON array"),
    (re.compile(r",\s*[}\]]"), "a comma before a closing bracket"),
)
"""Reasons for invalid JSON: that of the first pattern found in the line, else Python's own message."""

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
    """One row: its columns, its file (or hub id) and split, and its number from 1 (in JSONL: the line)."""

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
        for number, columns, position in _read(file):
            yield (row := Row(columns, str(file), number, split, done + position))
        done += file.stat().st_size
    if row is None:
        raise DataError(f"{path} has no rows: give a file with at least one")


def data_files(path: Path) -> list[Path]:
    """The data files at ``path``, sorted by name."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and file.is_file())
        if not files:
            raise DataError(f"{path} holds no data file: put {', '.join(SUFFIXES)} files there")
        return files
    if not path.exists():
        raise DataError(f"{path} does not exist: give a {', '.join(SUFFIXES)} file or a folder of them")
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"{path} has an unknown format: convert it to one of {', '.join(SUFFIXES)}")
    return [path]


def split_of_name(name: str) -> FileSplit:
    """The split in a file's name: ``math500_test.jsonl`` is test, ``train-00000.parquet`` train, ``rows.jsonl`` unnamed."""
    for word in re.split(r"[^a-z]+", name.lower()):
        if word in _SPLIT_WORDS:
            return _SPLIT_WORDS[word]
    return "unnamed"


def hub_rows(hub_id: str, subset: str | None) -> list[Row]:
    """All rows of a hub data set. The one place that imports ``datasets``."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"data set {hub_id!r} is on the hub and `datasets` is not installed: pip install 'dunwu[data]'") from error
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


def _read(file: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The number of each row, its columns, and the number of bytes of the file read so far."""
    return _read_parquet(file) if file.name.endswith(".parquet") else _read_jsonl(file)


def _read_parquet(file: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    from pyarrow import parquet

    try:
        # Without a buffer size a row group, which may be the whole file, is loaded at once.
        with parquet.ParquetFile(file, buffer_size=1 << 20) as content:
            names = content.schema_arrow.names
            if double := next((name for name in names if names.count(name) > 1), None):
                raise DataError(f"{file} has two columns named {double!r}: rename or drop one")
            size, rows = file.stat().st_size, content.metadata.num_rows
            batches = content.iter_batches(ROWS_AT_ONCE)
            for number, columns in enumerate(chain.from_iterable(batch.to_pylist() for batch in batches), 1):
                yield number, columns, size * number // rows
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is not a readable Parquet file ({' '.join(str(error).split())[:200]}): write it again") from error


def _read_jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Blank lines are skipped, but count in the row numbers."""
    number = 0
    try:
        with file.open("rb") as raw, gzip.open(raw) if file.name.endswith(".gz") else raw as content:
            encoding = _encoding(content.read(4))
            content.seek(0)
            with io.TextIOWrapper(content, encoding) as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip(_BLANK):
                        yield number, _parse_line(line.strip(_BLANK), file, number), raw.tell()
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise DataError(f"{file}, row {number + 1}: not readable as UTF-8 text ({error}): write the file again") from error


def _encoding(start: bytes) -> str:
    """UTF-8, or the encoding of the byte order mark."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _parse_line(line: str, file: Path, number: int) -> dict[str, Any]:
    try:
        columns = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        reason = next((mistake for pattern, mistake in _MISTAKES if pattern.search(line)), str(error))
        raise DataError(f"{file}, row {number}: not valid JSON ({reason}): one JSON object a line is needed") from error
    if not isinstance(columns, dict):
        raise DataError(f"{file}, row {number}: {type(columns).__name__} instead of a JSON object: one object a line is needed")
    return columns


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two keys named {next(name for name in names if names.count(name) > 1)!r}")
    return found
