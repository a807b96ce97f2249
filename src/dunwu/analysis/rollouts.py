"""The newest rollouts of a run, with the parts of their rewards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dunwu.analysis.curves import number
from dunwu.analysis.sections import Answer, Part, Sample
from dunwu.analysis.sentences import plain
from dunwu.analysis.text import shown
from dunwu.errors import DataError
from dunwu.evaluation.result import spread
from dunwu.run.tables import EARLIER, read_rollouts

MOST = 3
"""Problems shown."""
_PART = "reward_"


def latest_rollouts(run: Path) -> list[Part]:
    """The best and the worst completion of a few problems in the newest readable file of ``rollouts/``; empty if there is none."""
    for path in sorted((run / "rollouts").glob("step-*.parquet"), reverse=True):
        try:
            rows = read_rollouts(path)
        except (DataError, ValueError, KeyError):
            continue
        if rows:
            intro = f"Of {len(rows)} completions in step {rows[0]['step']}: the best and the worst of a group, with their rewards."
            return [Part("Training completions", intro, samples=[_sample(group) for group in spread(_groups(rows), MOST)], still=True)]
    return []


def _groups(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The rows of each prompt, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(str(row["prompt"]), []).append(row)
    return list(found.values())


def _sample(group: Sequence[dict[str, Any]]) -> Sample:
    ranked = sorted(group, key=lambda row: number(row["reward"]) or 0.0)
    difficulty = number(group[0]["difficulty"])
    tags = [f"group of {len(group)}"] + ([f"difficulty {difficulty:g}"] if difficulty is not None else [])
    chosen = {"best": ranked[-1], "worst": ranked[0]} if len(group) > 1 else {"": ranked[0]}
    return Sample(tuple(tags), str(group[0]["problem"]), tuple(_answer(name, row) for name, row in chosen.items()))


def _answer(name: str, row: dict[str, Any]) -> Answer:
    """``reward 1.5 (accuracy 1, format 0.5), correct, 134 tokens``; a part that failed or does not apply has no number."""
    parts = {key.removeprefix(_PART): value for key, found in row.items() if key.startswith(_PART) and (value := number(found)) is not None}
    inner = f" ({', '.join(f'{part} {plain(value)}' for part, value in parts.items())})" if parts else ""
    reward, text = number(row["reward"]), f"{row.get(EARLIER) or ''}{row['prefill']}{row['completion']}"
    score = "no reward" if reward is None else f"reward {plain(reward)}{inner}"
    return Answer(name, f"{score}, {row['verdict']}, {row['tokens']} tokens", shown(text))
