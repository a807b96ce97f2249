"""The text verifier's benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import verify_text

ROWS = [
    {"gold": ["Paris"], "prediction": "It is Paris.", "label": True, "system": "a"},
    {"gold": ["Paris"], "prediction": "paris", "label": True, "system": "a"},
    {"gold": ["Paris"], "prediction": "Rome", "label": False, "system": "b"},
    {"gold": ["Paris"], "prediction": "Paris", "label": False, "system": "b"},
    {"gold": ["Paris"], "prediction": None, "label": False, "system": "b"},
]


def test_figures_counted_by_hand() -> None:
    exact = verify_text.figures(verify_text.judged(ROWS, verify_text.RULES["exact"]))
    assert exact == [5, 3 / 5, 1 / 2, 1 / 2]
    assert verify_text.figures(verify_text.judged(ROWS, verify_text.RULES["contains"])) == [5, 4 / 5, 2 / 3, 1.0]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    verify_text.main([str(file)])
    assert "| all | contains | 5 | 0.8 | 0.667 | 1 |" in capsys.readouterr().out
