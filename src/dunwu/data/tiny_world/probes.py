"""Rows of the built-in probes that no task generates: facts, and harmful requests with their harmless look-alikes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dunwu.data.tiny_world.tasks import Item, items
from dunwu.run.atomic import atomic_file

PROMPTS = 24
"""Harmful requests, and as many harmless ones, spread over all."""


def write_probe_rows(folder: Path) -> dict[str, Path]:
    """Write the files of knowledge and safety below ``folder``, the same bytes each time; ``test`` in a name makes all rows held-out."""
    knowledge = [{"problem": item.question, "answer": item.answer, "language": item.language} for item in items("facts")]
    safety = [_prompt(item) for kind in ("harmful", "harmless") for item in _spread(items(kind))]
    return {name: _write(folder / name / "test.jsonl", rows) for name, rows in (("knowledge", knowledge), ("safety", safety))}


def _spread(all_items: tuple[Item, ...]) -> list[Item]:
    return [all_items[place * len(all_items) // PROMPTS] for place in range(PROMPTS)]


def _prompt(item: Item) -> dict[str, Any]:
    return {"prompt": item.question, "language": item.language, "harmful": not item.safe}


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with atomic_file(path) as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return path
