"""What tests of the builders share: problems with known answers, and models that are functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dunwu.data.generators.base import Scripted

Rows = Sequence[dict[str, Any]]


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[[str, Rows], str]:
    """Writes rows into a file of this name and returns its path."""

    def write(name: str, rows: Rows) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def sums(write_rows: Callable[[str, Rows], str]) -> str:
    """Training and test problems: what is n and n."""
    write_rows("sums/test.jsonl", [{"problem": f"What do {n} apples and {n} apples make?", "answer": str(2 * n)} for n in range(50, 55)])
    write_rows("sums/train.jsonl", [{"problem": f"What do {n} apples and {n} apples make?", "answer": str(2 * n)} for n in range(8)])
    return str(Path(write_rows("sums/validation.jsonl", [{"problem": "What is 99+1?", "answer": "100"}])).parent)


@pytest.fixture
def count() -> Callable[[Sequence[str]], list[int]]:
    """Tokens are words."""
    return lambda texts: [len(text.split()) for text in texts]


def opener(**functions: Callable[[list[dict[str, str]], int], str]) -> Callable[[Any], Scripted]:
    """Opens the function that an own generator is named after, such as ``x.py:model``."""
    return lambda config: Scripted(functions[config.function.rpartition(":")[2]], config.function)
