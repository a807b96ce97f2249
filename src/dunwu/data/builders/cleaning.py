"""Cleaning: normalise and filter rows, and remove duplicates and overlaps with evaluation sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dunwu.config.data_rows import CleaningConfig
from dunwu.data.builders.certificate import open_benchmarks
from dunwu.data.builders.drafts import CountTokens, Draft, clean, different, readable
from dunwu.data.builders.funnel import Funnel
from dunwu.data.io.conversations import is_bad
from dunwu.data.io.data_set import DataSet
from dunwu.data.io.row_text import as_draft, normalised
from dunwu.tasks.forms import renamed
from dunwu.tasks.rows import local_rows


def clean_rows(config: CleaningConfig, count: CountTokens) -> DataSet:
    """The kept rows in order, with all their columns. Raises ``DataError`` for a row in an unknown format."""
    benchmarks = open_benchmarks(config.decontaminate)
    rows = [renamed(row, config.columns) for row in local_rows(Path(config.data).expanduser())]
    rows = [replace(row, columns=normalised(row.columns)) for row in rows] if config.normalise else rows
    funnel, read, seen = Funnel(), len(rows), set[str]()
    if any("label" in row.columns for row in rows):
        rows = funnel.sift("labelled as bad", rows, lambda row: not is_bad(row), lambda row: str(row.columns.get("label")))
    drafts = [as_draft(row) for row in rows]
    drafts = funnel.sift("exact duplicate", drafts, lambda draft: _new(draft, seen), lambda draft: draft.question)
    drafts = readable(drafts, config.filters, funnel, count)
    drafts = clean(different(drafts, config.near_duplicates, funnel), benchmarks, funnel)
    kept = [dict(draft.columns) for draft in drafts]
    return DataSet("Cleaned rows", kept, funnel, {"rows read": read}, [each.certificate for each in benchmarks])


def _new(draft: Draft, seen: set[str]) -> bool:
    key = json.dumps([draft.question, draft.reasoning, draft.reply])
    known = key in seen
    seen.add(key)
    return not known
