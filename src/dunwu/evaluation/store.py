"""Evaluations on disk: one Parquet file, one row per completion. Imports no torch, so that reports can read them anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dunwu.errors import DataError, RunError
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.run.atomic import atomic_file
from dunwu.run.identity import differences
from dunwu.run.tables import rows_table
from dunwu.text.surrogates import as_json, as_utf8

WRITTEN = ("evaluation.parquet", "summary.json")
"""The files of an evaluation in its folder."""


ALONE = "evaluation"
"""The phase of an evaluation that `dunwu eval --out` wrote, beside those of a run's evaluations."""


def phase_file(folder: Path, phase: str, name: str) -> Path:
    """The evaluation of an eval set in a run directory (``before``, ``after``, ``step-00060``), or in a folder of `dunwu eval`."""
    return folder / WRITTEN[0] if phase == ALONE else folder / "evaluations" / f"{phase}-{name}.parquet"


def is_alone(folder: Path) -> bool:
    """Whether `dunwu eval --out` wrote the folder."""
    return all((folder / name).is_file() for name in WRITTEN)


def refuse_taken(out: Path) -> None:
    """Raise `RunError` if the folder has results that would be replaced, or is a file."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: choose a folder for the results")
    if taken := next((name for name in WRITTEN if os.path.lexists(out / name)), None):
        raise RunError(f"{out} already has {taken}: choose another folder (or --overwrite)")


def write_evaluation(path: Path, result: EvaluationResult) -> None:
    """Atomically write ``result`` to ``path``. Raises ``RunError`` if it cannot be written."""
    table = rows_table(result.rows, EvaluationRow).replace_schema_metadata({"dunwu.name": as_utf8(result.name), "dunwu.k": str(result.k)})
    try:
        with atomic_file(path) as file:
            pq.write_table(table, file, compression="zstd")
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}): free some space or choose another run folder") from error


def summary_key(name: str, described: Mapping[str, Any]) -> str:
    """Where ``summary.json`` has the headline numbers of a set: under its name, unless something else stands there."""
    return f"{name}-set" if name in described else name


def write_summary(folder: Path, found: Mapping[str, Any]) -> None:
    """Atomically write ``summary.json`` of an evaluation."""
    with atomic_file(folder / "summary.json") as file:
        file.write((as_json(found, indent=2) + "\n").encode())


def read_finished(folder: Path, described: Mapping[str, Any]) -> EvaluationResult | None:
    """The evaluation in a folder if its summary says all that ``described`` does, ``None`` if there is none.

    Raises ``RunError`` for one of another model or with other settings.
    """
    try:
        found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = json.loads(json.dumps(dict(described)))
    known = {key: found.get(key) for key in wanted} if isinstance(found, dict) else {}
    for key, old, new in differences(known, wanted):
        raise RunError(f"{folder} has an evaluation with {key} = {old!r}, not {new!r}: choose another folder (or --overwrite)")
    return read_evaluation(folder / "evaluation.parquet")


def read_evaluation(path: Path) -> EvaluationResult:
    """Read the file of `write_evaluation`. Raises ``DataError`` if it is missing, corrupt, or not an evaluation."""
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        rows = tuple(EvaluationRow(**row) for row in table.to_pylist())
        return EvaluationResult(metadata[b"dunwu.name"].decode(), int(metadata[b"dunwu.k"]), rows)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"evaluation {path} cannot be read ({type(error).__name__}): give one that `dunwu eval --out` wrote") from error


def evaluation_tokens(files: Iterable[Path]) -> int:
    """Tokens of all completions in files of `write_evaluation`."""
    return sum(row.tokens for file in files for row in read_evaluation(file).rows)
