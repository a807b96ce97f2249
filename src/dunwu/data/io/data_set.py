"""The result of a data builder: rows, and the contents of their card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dunwu.data.builders.certificate import Certificate
from dunwu.data.builders.drafts import CountTokens
from dunwu.data.builders.funnel import Funnel
from dunwu.data.io.card import DataCard, Json, row_text, token_statistics, write_card

ROWS = "rows.jsonl"
EXAMPLES = 3


@dataclass(frozen=True)
class DataSet:
    """Rows in order, and how they were made."""

    title: str
    rows: Sequence[Json]
    funnel: Funnel
    facts: Mapping[str, Any] = field(default_factory=dict)
    certificates: Sequence[Certificate] = ()
    notes: Sequence[str] = ()
    file: str = ROWS

    def write(self, out: Path, count: CountTokens, seed: int) -> DataCard:
        """Write rows and card into ``out``; values that JSON lacks, such as dates of Parquet, become text.

        Raises ``DataError`` if there are no rows.
        """
        self.funnel.refuse_empty(self.rows)
        with (out / self.file).open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in self.rows)
        card = DataCard(
            title=self.title,
            sources=dict(sorted(Counter(str(row.get("source", "unnamed")) for row in self.rows).items())),
            filters=self.funnel.steps,
            tokens=token_statistics(count([row_text(row) for row in self.rows])),
            examples=[self.rows[place * len(self.rows) // EXAMPLES] for place in range(min(EXAMPLES, len(self.rows)))],
            seed=seed,
            facts=self.facts,
            certificates=self.certificates,
            notes=self.notes,
        )
        write_card(out, card)
        return card
