"""Sections of a pipeline's page that show the cards of its data sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dunwu.analysis.curves import number
from dunwu.analysis.pipeline_run import StageRun
from dunwu.analysis.rundir import mapping
from dunwu.analysis.sections import Table
from dunwu.analysis.text import Shown, shown

LONGEST = 1500
"""Maximum length of an example, in characters."""


@dataclass(frozen=True)
class CardSection:
    """One data set: titled tables, examples of its rows, and examples of removed rows by filter."""

    stage: str
    headline: str
    tables: tuple[tuple[str, Table], ...]
    examples: tuple[Shown, ...]
    removed: tuple[tuple[str, Shown], ...]
    notes: tuple[str, ...]


def card_sections(stages: Sequence[StageRun]) -> list[CardSection]:
    """One section per stage that made data with a card."""
    return [_section(stage) for stage in stages if stage.card]


def _section(stage: StageRun) -> CardSection:
    card = stage.card
    return CardSection(
        stage.name,
        f"{card.get('title')}: {stage.result}",
        tuple(_tables(card)),
        tuple(_shown(row) for row in _list(card, "examples")),
        tuple((str(step.get("name")), _shown(row)) for step in _mappings(card, "filters") for row in _list(step, "examples")),
        tuple(map(str, _list(card, "notes"))),
    )


def _tables(card: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    yield "Sources", Table(("source", "rows"), tuple((name, _text(rows)) for name, rows in mapping(card, "sources").items()))
    columns = {
        "filters": ("Filters, in order", {"name": "filter", "before": "before", "removed": "removed", "after": "after"}),
        "certificates": (
            "Decontamination",
            {
                "name": "evaluation set",
                "problems": "problems",
                "compared": "rows compared",
                "removed": "rows removed",
                "sha256": "SHA-256",
            },
        ),
    }
    for key, (title, names) in columns.items():
        rows = tuple(tuple(_text(each.get(column)) for column in names) for each in _mappings(card, key))
        if rows:
            yield title, Table(tuple(names.values()), rows)
    tokens = mapping(card, "tokens")
    yield "Tokens per row", Table(tuple(tokens), (tuple(map(_text, tokens.values())),))
    if facts := mapping(card, "facts"):
        yield "How it was made", Table(("", ""), tuple((name, _text(value)) for name, value in facts.items()))


def _text(value: Any) -> str:
    """Numbers with separators, text unchanged, anything else on one line."""
    found = number(value)
    if found is not None:
        return f"{found:,.0f}" if found == int(found) else f"{found:,.1f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
    return value[:16] if _is_hash(value) else str(value)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and value.isalnum()


def _shown(row: Any) -> Shown:
    return shown(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, indent=1), LONGEST)


def _list(facts: Mapping[str, Any], key: str) -> list[Any]:
    found = facts.get(key)
    return found if isinstance(found, list) else []


def _mappings(facts: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [each for each in _list(facts, key) if isinstance(each, Mapping)]
