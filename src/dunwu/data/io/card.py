"""The data card of a data set, as JSON and as Markdown: its rows, their sources, and what each filter removed.

It has no times or local paths, so that equal data sets have equal cards.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from dunwu.data.builders.certificate import Certificate
from dunwu.data.builders.funnel import Step
from dunwu.data.io.turns import REASONING_KEYS
from dunwu.errors import DataError

CARD, PAGE = "card.json", "card.md"
LONGEST = 400
Json = dict[str, Any]


@dataclass(frozen=True)
class DataCard:
    """``sources``: number of rows by source. ``facts``: statistics of the builder. ``tokens``: statistics of whole rows."""

    title: str
    sources: Mapping[str, int]
    filters: Sequence[Step]
    tokens: Mapping[str, float]
    examples: Sequence[Any]
    seed: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    certificates: Sequence[Certificate] = ()
    notes: Sequence[str] = ()


def token_statistics(lengths: Sequence[int]) -> dict[str, float]:
    """Rows, sum, mean, median, 95th percentile (the smallest length that at least 95 % do not exceed) and maximum."""
    ordered = sorted(lengths)
    high = ordered[-(-95 * len(ordered) // 100) - 1]
    return {
        "rows": len(ordered),
        "sum": sum(ordered),
        "mean": round(fmean(ordered), 1),
        "median": float(median(ordered)),
        "p95": high,
        "max": ordered[-1],
    }


def row_text(row: Mapping[str, Any]) -> str:
    """The text of a row whose tokens are counted: its turns with their reasoning, or its text columns."""
    if isinstance(turns := row.get("messages"), list):
        keys = (*REASONING_KEYS, "content")
        return "\n".join("".join(str(turn.get(key) or "") for key in keys) for turn in turns if isinstance(turn, dict))
    columns = ("problem", "question", "prompt", "answer", "solution", "completion", "chosen", "rejected")
    return "\n".join(row_text({"messages": value}) if isinstance(value, list) else str(value) for key in columns if (value := row.get(key)))


def write_card(out: Path, card: DataCard) -> None:
    """Write ``card.json`` and ``card.md``."""
    plain = asdict(card)
    plain["filters"] = [asdict(step) | {"after": step.after} for step in card.filters]
    (out / CARD).write_text(json.dumps(plain, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    (out / PAGE).write_text(_page(card), encoding="utf-8")


def read_card(folder: Path) -> Json:
    """``card.json`` of a data set. Raises ``DataError`` if it is missing or corrupt."""
    try:
        card: Json = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / CARD} is missing or corrupt: build the data set again") from error
    if not isinstance(card, dict) or not isinstance(card.get("facts"), dict):
        raise DataError(f"{folder / CARD} is not a data card: build the data set again")
    return card


def escaped(value: Any) -> str:
    """A value as one line of plain text, without HTML or control characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return html.escape(visible, quote=False)


def _page(card: DataCard) -> str:
    lines = [f"# {card.title}", "", f"{card.tokens['rows']} rows, seed {card.seed}.", "", "## Sources", ""]
    lines += _table(("source", "rows"), card.sources.items())
    lines += ["", "## Filters, in their order", ""]
    steps = [(step.name, step.before, step.removed, step.after) for step in card.filters]
    lines += _table(("filter", "before", "removed", "after"), steps) if steps else ["None."]
    lines += ["", "## Tokens of a row", "", *_table(tuple(card.tokens), [tuple(card.tokens.values())])]
    if card.facts:
        lines += ["", "## How it was made", "", *_table(("what", "value"), ((key, escaped(value)) for key, value in card.facts.items()))]
    lines += ["", "## Decontamination", ""]
    if card.certificates:
        head = ("evaluation set", "problems", "rows compared", "rows removed", "SHA-256 of the set")
        lines += _table(head, ((c.name, c.problems, c.compared, c.removed, c.sha256) for c in card.certificates))
        lines += ["", *(f"    {escaped(hit)}" for c in card.certificates for hit in c.hits)]
    else:
        lines.append("Compared with no evaluation set.")
    lines += ["", "## Examples", "", *(f"    {escaped(row)}" for row in card.examples)]
    removed = [(step.name, example) for step in card.filters for example in step.examples]
    if removed:
        lines += ["", "## Examples of what was removed", "", *(f"    {escaped({name: example})}" for name, example in removed)]
    lines += [line for note in card.notes for line in ("", note)]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Any) -> list[str]:
    body = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]
