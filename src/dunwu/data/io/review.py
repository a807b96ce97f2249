"""Review of rows by people, who keep, reject or edit each one. Decisions are saved as they are made.

They are in ``NAME.review`` beside the file of kept rows, one a line; the kept rows are written again from them when a review is resumed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from dunwu.errors import DataError
from dunwu.tasks.rows import Row, local_rows

Json = dict[str, Any]
Decision = Literal["keep", "reject", "edit"]


class Review:
    """The rows of a file, the decisions so far, and the next row."""

    def __init__(self, rows: Path, kept: Path) -> None:
        """Raises ``DataError`` for unreadable rows, and if ``kept`` exists but is not the result of a review."""
        self._decisions = kept.with_name(f"{kept.name}.review")
        self._kept = kept
        self.rows = local_rows(rows)
        if kept.exists() and (kept.samefile(rows) or not self._decisions.exists()):
            raise DataError(f"{kept} exists and is not the result of a review: choose another file")
        self._decided = self._read()
        self._open = [row for row in self._numbered() if row[0] not in self._decided]
        lines = [_line(entry["row"]) for entry in self._decided.values() if entry["decision"] != "reject"]
        kept.write_text("".join(lines), encoding="utf-8")

    @property
    def current(self) -> Row | None:
        """The row to decide on; ``None`` at the end."""
        return self._open[0][1] if self._open else None

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows, of decided ones, and of each decision."""
        made = Counter(str(entry["decision"]) for entry in self._decided.values())
        return {"rows": len(self.rows), "decided": len(self._decided), **{name: made[name] for name in ("keep", "edit", "reject")}}

    def decide(self, decision: Decision, edited: Json | None = None) -> None:
        """Decide on the current row; ``edit`` keeps ``edited`` instead."""
        assert (edited is not None) == (decision == "edit"), f"{decision} with {edited!r}"
        key, row = self._open.pop(0)
        made_of = row.columns if edited is None else edited
        entry = {"key": key, "decision": decision, "row": made_of}
        _append(self._decisions, entry)
        self._decided[key] = entry
        if decision != "reject":
            _append(self._kept, made_of)

    def _numbered(self) -> list[tuple[str, Row]]:
        """Rows with the hash of their content, which still identifies them if the file grows; equal rows are numbered."""
        seen: Counter[str] = Counter()
        found = []
        for row in self.rows:
            key = hashlib.sha256(json.dumps(row.columns, sort_keys=True, default=str).encode()).hexdigest()
            seen[key] += 1
            found.append((f"{key}-{seen[key]}", row))
        return found

    def _read(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        whole = self._decisions.read_bytes().rpartition(b"\n")[0] if self._decisions.exists() else b""
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry: Json = json.loads(line)
                found[entry["key"]] = {"key": entry["key"], "decision": entry["decision"], "row": dict(entry["row"])}
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(f"{self._decisions}, line {number} is corrupt: fix or delete it") from error
        if self._decisions.exists():
            self._decisions.write_bytes(whole + b"\n" if whole else b"")  # without a truncated last line
        return found


def _append(path: Path, entry: Json) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(entry))
        file.flush()
        os.fsync(file.fileno())


def _line(row: Json) -> str:
    return json.dumps(row, ensure_ascii=False, default=str) + "\n"
