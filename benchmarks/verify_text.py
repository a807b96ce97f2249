"""The text verifier against people's judgements of free-text answers: ``python -m benchmarks.verify_text PAIRS.jsonl.gz``.

The file has a row per answer: ``gold`` (a list), ``prediction``, ``label`` (judged right by a person), ``system``. EVOUNA is one.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import table
from dunwu.tasks.rows import local_rows
from dunwu.types import Problem
from dunwu.verifiers.text import verify_text
from dunwu.verifiers.text.words import normalise

RULES: dict[str, dict[str, Any]] = {
    "exact": {"match": "exact"},
    "fuzzy 90": {"match": "fuzzy", "threshold": 90},
    "fuzzy 80": {"match": "fuzzy", "threshold": 80},
    "contains": {"match": "contains"},
}


def judged(rows: Iterable[dict[str, Any]], rule: dict[str, Any]) -> Counter[tuple[bool, bool]]:
    """How often each pair of (a person says right, the verifier says right) occurs."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for row in rows:
        golds = [gold for gold in row["gold"] if normalise(gold)]
        if golds:
            problem = Problem(id="", task="", text="", verifier="text", data={"answers": golds, **rule})
            counts[bool(row["label"]), verify_text(problem, row["prediction"] or "").score == 1.0] += 1
    return counts


def figures(counts: Counter[tuple[bool, bool]]) -> list[Any]:
    """Answers, agreement, precision and recall."""
    total, right = sum(counts.values()), counts[True, True]
    return [
        total,
        (right + counts[False, False]) / total,
        right / max(1, right + counts[False, True]),
        right / max(1, right + counts[True, False]),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    (path,) = sys.argv[1:] if argv is None else argv
    rows = [row.columns for row in local_rows(Path(path))]
    lines = []
    for system in ("all", *sorted({row["system"] for row in rows})):
        chosen = [row for row in rows if system in ("all", row["system"])]
        lines += [[system, name, *(round(figure, 3) for figure in figures(judged(chosen, rule)))] for name, rule in RULES.items()]
    print(table(["answers of", "rule", "answers", "agreement", "precision", "recall"], lines))


if __name__ == "__main__":
    main()
