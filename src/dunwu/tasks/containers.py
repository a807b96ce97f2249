"""Rows from the files that people have: JSON lines, JSON arrays, CSV and TSV (each also gzipped), and Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from dunwu.errors import DataError
from dunwu.tasks.columns import kind_of

ROWS_AT_ONCE = 256
"""Rows of a Parquet file in memory."""
Found = Iterator[tuple[int, dict[str, Any], int]]
"""The number of each row, its columns, and the number of bytes of the file read so far."""

_BLANK = " \t\r\n\ufeff"
"""Stripped from lines of JSONL; concatenated files have byte order marks inside."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LISTS = ("data", "rows", "train", "examples", "instances", "test", "validation")
"""Keys of a JSON object whose list is the rows."""
_TEXTS = ("problem", "question", "instruction", "input", "query", "output", "response", "answer", "solution", "text")
"""Columns of a table that are never messages: JSON in them, such as the answer to "Reply with JSON", is text."""
_HEAD = 1 << 16
"""Characters searched for the header of a table."""
_LONGEST_CELL = (1 << 31) - 1
_MISTAKES = (
    (re.compile(r"\x00"), "it looks like UTF-16 without a byte order mark; save it as UTF-8"),
    (re.compile(r"[}\]]\s*,$"), "a comma after it"),
    (re.compile(r",\s*[}\]]"), "a comma before a closing bracket"),
    (re.compile(r"^\{\s*'"), "single quotes; JSON has double quotes"),
)
"""Reasons for invalid JSON: that of the first pattern found in the line, else Python's own in other words."""
_MESSAGES = {
    "Unterminated string": "a text has no closing quote, or the row is cut off",
    "Expecting ','": "a comma or bracket is missing",
    "Expecting ':'": "a colon is missing",
    "Expecting property name": "a key in double quotes is missing",
    "Expecting value": "a value is missing",
    "Extra data": "there is more text after the value",
    "Invalid control character": "a line end or control character is inside a text; write \\n",
    "Invalid \\": "a backslash in a text must be written twice",
}


def read_file(file: Path) -> Found:
    """The rows of a file, streamed; a JSON array is read as a whole. Raises ``DataError`` with the row and the remedy."""
    name = file.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        return _read_parquet(file)
    return _read_table(file) if name.endswith((".csv", ".tsv")) else _read_json(file)


def container(file: Path) -> str:
    """What the file is, in words. Raises ``DataError`` if it cannot be opened."""
    if file.name.endswith(".parquet"):
        return "Parquet"
    packed = ", gzipped" if file.name.endswith(".gz") else ""
    with _text(file, {}) as (lines, _):
        head = lines.read(_HEAD)
        encoding = "" if lines.encoding == "utf-8-sig" else f", {lines.encoding.upper()}"
    if file.name.removesuffix(".gz").endswith((".csv", ".tsv")):
        return f"table separated by {_DELIMITERS[_delimiter(head, file)]}{encoding}{packed}"
    start = head.lstrip(_BLANK)
    kind = "JSON array" if start.startswith("[") else "JSON lines" if _is_lines(file, start) else "JSON object with a list of rows"
    return f"{kind}{encoding}{packed}"


def _read_parquet(file: Path) -> Found:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Without a buffer size a row group, which may be the whole file, is loaded at once.
        with parquet.ParquetFile(file, buffer_size=1 << 20) as content:
            schema = content.schema_arrow
            _refuse_repeated(schema.names, file)
            # Python's times have no nanoseconds, and pyarrow refuses to cut them.
            plain = pa.schema([field.with_type(_without_nanoseconds(field.type)) for field in schema])
            size, rows = file.stat().st_size, content.metadata.num_rows
            batches = (batch if plain == schema else batch.cast(plain, safe=False) for batch in content.iter_batches(ROWS_AT_ONCE))
            for number, columns in enumerate(chain.from_iterable(batch.to_pylist() for batch in batches), 1):
                yield number, columns, size * number // rows
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        raise DataError(f"{file} is not a readable Parquet file ({' '.join(str(error).split())[:200]}): write it again") from error


def _without_nanoseconds(kind: Any) -> Any:
    """An Arrow type with microseconds instead of nanoseconds, at any depth."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if kind in (pa.time64("ns"), pa.duration("ns")):
        return pa.time64("us") if pa.types.is_time64(kind) else pa.duration("us")
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_nanoseconds(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_field.with_type(_without_nanoseconds(kind.value_type))
        return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)
    if pa.types.is_map(kind):
        return pa.map_(_without_nanoseconds(kind.key_type), _without_nanoseconds(kind.item_type))
    return kind


@contextmanager
def _text(file: Path, at: dict[str, int]) -> Iterator[tuple[io.TextIOWrapper, BinaryIO]]:
    """The text of a file and its bytes; ``at["row"]`` names the row in messages. Line ends are unchanged."""
    try:
        with file.open("rb") as raw, gzip.open(raw) if file.name.endswith(".gz") else raw as content:
            encoding = _encoding(content.read(4))
            content.seek(0)
            with io.TextIOWrapper(content, encoding, newline="") as text:
                yield text, raw
    except UnicodeError as error:
        bad = f"byte 0x{error.object[error.start]:02x} is not {error.encoding.upper()}" if isinstance(error, UnicodeDecodeError) else error
        raise DataError(f"{_place(file, at)}: not readable as UTF-8 text ({bad}): save the file as UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{_place(file, at)}: not readable as gzip ({error}): compress the file again") from error
    except OSError as error:
        raise DataError(f"{_place(file, at)}: not readable ({error.strerror or error}): check the file") from error


def _place(file: Path, at: dict[str, int]) -> str:
    return f"{file}, row {at['row'] + 1}" if "row" in at else str(file)


def _encoding(start: bytes) -> str:
    """UTF-8, or the encoding of the byte order mark."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _read_json(file: Path) -> Found:
    """JSON lines or one JSON value, whatever the name says. Blank lines are skipped, but count in the row numbers."""
    at = {"row": 0}
    with _text(file, at) as (text, raw):
        # Strings of JSON have no line ends of any kind, and other line ends of Unicode (U+2028) do not end a line.
        text.reconfigure(newline=None)
        first = next((line for line in iter(text.readline, "") if line.strip(_BLANK)), "")
        if not _is_lines(file, first.lstrip(_BLANK)):
            text.seek(0)
            yield from _rows_of_value(text.read(), file)
            return
        text.seek(0)
        for at["row"], line in enumerate(text):
            if line.strip(_BLANK):
                yield at["row"] + 1, _parse_line(line.strip(_BLANK), file, at["row"] + 1), raw.tell()


def _is_lines(file: Path, start: str) -> bool:
    """False for one JSON value over the whole file: an array, or in a `.json` file an object that the first line does not close."""
    if start.startswith("["):
        return False
    if not file.name.removesuffix(".gz").endswith(".json"):
        return True
    first = start.partition("\n")[0].strip()
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not _lists(found)


def _lists(found: dict[str, Any]) -> list[str]:
    """The keys of `_LISTS` that hold a list of objects."""
    return [key for key in _LISTS if isinstance(found.get(key), list) and found[key] and all(isinstance(row, dict) for row in found[key])]


def _rows_of_value(text: str, file: Path) -> Found:
    """The rows of a JSON array, or of the only list of an object."""
    found = _parse(text.strip(_BLANK), str(file), "a JSON array, or one JSON object a line, is needed") if text.strip(_BLANK) else []
    if isinstance(found, dict):
        keys = _lists(found)
        if len(keys) != 1:
            several = f"the lists {' and '.join(keys)}: save each as a file, such as {keys[0]}.json" if keys else "no list of rows"
            raise DataError(f"{file}: the JSON object has {several}{'' if keys else ': write a JSON array, or one object a line'}")
        found = found[keys[0]]
    size = file.stat().st_size
    for number, columns in enumerate(found, 1):
        if not isinstance(columns, dict):
            raise DataError(f"{file}, row {number}: {kind_of(columns)} instead of a JSON object: each row must be an object")
        yield number, columns, size * number // len(found)


def _parse_line(line: str, file: Path, number: int) -> dict[str, Any]:
    columns = _parse(line, f"{file}, row {number}", "one JSON object a line is needed")
    if not isinstance(columns, dict):
        raise DataError(f"{file}, row {number}: {kind_of(columns)} instead of a JSON object: one object a line is needed")
    return columns


def _parse(text: str, where: str, needed: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise DataError(f"{where}: not valid JSON (nested too deeply): {needed}") from error
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON ({_reason(error, text)}): {needed}") from error


def _reason(error: ValueError, text: str) -> str:
    """Why a text is not JSON, in words."""
    if not isinstance(error, json.JSONDecodeError):
        return "a number has over 4,300 digits; write it as text" if "int_max_str_digits" in str(error) else str(error)
    near = text if len(text) < _HEAD else text[max(0, error.pos - 80) : error.pos + 80]
    known = next((mistake for pattern, mistake in _MISTAKES if pattern.search(near)), "")
    said = next((words for start, words in _MESSAGES.items() if error.msg.startswith(start)), error.msg)
    return known or f"{said}, at character {error.pos + 1:,}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two keys named {next(name for name in names if names.count(name) > 1)!r}")
    return found


def _read_table(file: Path) -> Found:
    """CSV or TSV with a header. A row's number is that of its first line in the file; blank lines are skipped."""
    at = {"row": 0}
    csv.field_size_limit(_LONGEST_CELL)  # 128 KiB by default
    with _text(file, at) as (text, raw):
        head = text.read(_HEAD)
        text.seek(0)
        if "\x00" in head:
            raise DataError(f"{file}: it has bytes of 0, as UTF-16 without a byte order mark: save the file as UTF-8")
        rows = csv.reader(text, delimiter=_delimiter(head, file), strict=True)
        try:
            names = _header(next(rows, []), file)
            at["row"] = rows.line_num
            for cells in rows:
                if any(cells):
                    yield at["row"] + 1, _named(cells, names, _place(file, at)), raw.tell()
                at["row"] = rows.line_num
        except csv.Error as error:
            remedy = "close each quote, and write a quote inside quotes twice"
            raise DataError(f"{_place(file, at)}: not a valid table ({error}): {remedy}") from error


def _delimiter(head: str, file: Path) -> str:
    """The delimiter that splits the header most; if none does, that of the file's name."""
    own = "\t" if file.name.removesuffix(".gz").endswith(".tsv") else ","
    counts = {each: len(next(csv.reader(io.StringIO(head, newline=""), delimiter=each), [])) for each in _DELIMITERS}
    return max(_DELIMITERS, key=lambda each: (counts[each], each == own))


def _header(cells: list[str], file: Path) -> list[str]:
    """Names of the columns; a nameless one, such as pandas' index, is named by its place."""
    names = [cell.strip(_BLANK) or f"column {place}" for place, cell in enumerate(cells, 1)]
    _refuse_repeated(names, file)
    return names


def _named(cells: list[str], names: list[str], where: str) -> dict[str, Any]:
    while len(cells) > len(names) and not cells[-1]:
        cells.pop()
    if len(cells) != len(names):
        remedy = "put cells that contain the separator or a line end in double quotes"
        raise DataError(f"{where}: {len(cells)} cells under {len(names)} columns: {remedy}")
    return {name: _cell(name, cell) for name, cell in zip(names, cells, strict=True)}


def _cell(column: str, text: str) -> Any:
    """A cell that is a JSON object or a list of objects, such as messages, as that value; any other as text."""
    if column in _TEXTS or not text.startswith(("{", "[{")):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found


def _refuse_repeated(names: list[str], file: Path) -> None:
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{file} has two columns named {double!r}: rename or drop one")
