"""Evaluations on disk: one Parquet file, one row a completion. Imports no torch, so that reports can read them anywhere."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dunwu.errors import DataError, RunError
from dunwu.evaluation.result import EvaluationResult, EvaluationRow

_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("difficulty", pa.float64()),
        ("human_seconds", pa.float64()),
        ("sample", pa.int32()),
        ("completion", pa.string()),
        ("thinking_tokens", pa.int32()),
        ("tokens", pa.int32()),
        ("finish_reason", pa.string()),
        ("score", pa.float64()),
        ("verdict", pa.string()),
        ("reflections", pa.int32()),
        ("answer", pa.string()),
        ("vote", pa.string()),
        ("unread", pa.string()),
    ]
)

WRITTEN = ("evaluation.parquet", "summary.json")
"""What an evaluation leaves in a folder of its own."""


def refuse_taken(out: Path) -> None:
    """Raise `RunError` for a folder with results that would be replaced."""
    if taken := next((name for name in WRITTEN if os.path.lexists(out / name)), None):
        raise RunError(f"{out} has {taken} already: choose another folder, or ask to overwrite it (--overwrite)")


def write_evaluation(path: Path, result: EvaluationResult) -> None:
    """Write ``result``, replacing ``path`` whole or not at all. Raises ``RunError`` where the disk refuses."""
    rows = [{name: _utf8(value) for name, value in asdict(row).items()} for row in result.rows]
    schema = _SCHEMA.with_metadata({"dunwu.name": result.name, "dunwu.k": str(result.k)})
    table = pa.Table.from_pylist(rows, schema=schema)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}): free some space or choose another run folder") from error
    try:
        with os.fdopen(handle, "wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}): free some space or choose another run folder") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_evaluation(path: Path) -> EvaluationResult:
    """Read what ``write_evaluation`` wrote; raises ``DataError`` where the file is missing, torn, or not an evaluation."""
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        rows = tuple(EvaluationRow(**row) for row in table.to_pylist())
        return EvaluationResult(metadata[b"dunwu.name"].decode(), int(metadata[b"dunwu.k"]), rows)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"evaluation {path} cannot be read ({type(error).__name__}): delete it and run `dunwu eval` again") from error


def _utf8(value: Any) -> Any:
    """A lone surrogate, which byte fallback may produce, becomes a question mark: Parquet holds UTF-8 only."""
    return value.encode("utf-8", errors="replace").decode("utf-8") if isinstance(value, str) else value
