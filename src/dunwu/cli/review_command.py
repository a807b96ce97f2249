"""`dunwu review`: shows rows one by one on the terminal, for a person to keep, reject or edit."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from dunwu.cli.options import parse_options, refuse_rest
from dunwu.cli.outputs import check_file
from dunwu.cli.show import show
from dunwu.data.io.conversations import conversation
from dunwu.data.io.review import Review
from dunwu.errors import DataError, UserError
from dunwu.tasks.rows import Row
from dunwu.text.surrogates import as_json

KEYS = "k keep, r reject, e edit, q quit"


@dataclass(frozen=True)
class ReviewOptions:
    """Show rows one by one; keep, reject or edit each. Stop at any time: the same command resumes with the next row."""

    rows: tyro.conf.Positional[Path]
    """A .jsonl, .jsonl.gz or .parquet file, or a folder of them."""
    out: Path = Path("kept.jsonl")
    """File for the kept rows; the decisions are stored beside it."""


def run(arguments: Sequence[str]) -> int:
    """Reviews until the end of the rows or of the input."""
    options, rest = parse_options(ReviewOptions, "review", arguments)
    refuse_rest("review", rest)
    check_file(options.out)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    review = Review(options.rows, options.out)
    while (row := review.current) is not None and _decide(review, row):
        pass
    counts = review.counts
    line = ", ".join(f"{name} {number}" for name, number in counts.items())
    show(f"\n{line}\nkept rows: {options.out}")
    if counts["decided"] < counts["rows"]:
        show("the same command resumes with the next row")
    return 0


def _decide(review: Review, row: Row) -> bool:
    """Asks about one row; returns whether to continue."""
    show(f"\n--- {review.counts['decided'] + 1} of {len(review.rows)}: {shown(row.where)}")
    print(_view(row))
    while True:
        match _ask(f"[{KEYS}] "):
            case "k":
                review.decide("keep")
                return True
            case "r":
                review.decide("reject")
                return True
            case "e":
                if (edited := _edit(row)) is not None:
                    review.decide("edit", edited)
                    return True
            case "q" | None:
                return False
            case other:
                show(f"{shown(other)!r} is not a key: {KEYS}")


def shown(text: str) -> str:
    """``text`` without control characters that a terminal would act on."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _view(row: Row) -> str:
    """A conversation turn by turn, any other row column by column."""
    try:
        turns = conversation(row)
    except DataError:
        return shown("\n".join(f"{name}: {value}" for name, value in row.columns.items()))
    parts = [f"[{turn.role}]\n" + (f"<think>\n{turn.reasoning}\n</think>\n" if turn.reasoning else "") + turn.content for turn in turns]
    return shown("\n".join(parts))


def _ask(prompt: str) -> str | None:
    """A line of input, ``None`` at its end."""
    try:
        return input(prompt).strip()
    except EOFError:
        return None


def _edit(row: Row) -> dict[str, Any] | None:
    """The edited row, from the user's editor or, without a terminal, as JSON on the next line; ``None`` to ask again."""
    text = _in_editor(row.columns) if sys.stdin.isatty() else _ask("") or ""
    try:
        edited = json.loads(text)
    except (ValueError, RecursionError) as error:
        show(f"that is not JSON ({error}); nothing was changed")
        return None
    if not isinstance(edited, dict):
        show("that is not a JSON object; nothing was changed")
        return None
    if "messages" in row.columns:
        try:
            conversation(Row(edited, "your row", row.number, row.split))
        except DataError as error:
            show(f"{error}; nothing was changed")
            return None
    return edited


def _in_editor(columns: Mapping[str, Any]) -> str:
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "row.json")
        file.write_text(as_json(columns, indent=2, default=str), encoding="utf-8")
        try:
            subprocess.run([*editor, str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(f"the editor {editor[0]!r} failed ({error}): set EDITOR to another") from error
        return file.read_text(encoding="utf-8", errors="replace")
