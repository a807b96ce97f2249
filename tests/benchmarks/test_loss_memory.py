"""The memory benchmark of the loss runs on a small shape, and its table is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.loss_memory import LOADS, SHAPE, Load, measure, text
from benchmarks.results import Options

SMALL = SHAPE | {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 200}


@pytest.mark.slow
def test_a_small_shape_is_measured(tmp_path: Path) -> None:
    found = measure({"chunks": Load(2), "whole": Load(2, whole=True)}, Options(threads=1), tmp_path, SMALL, tokens=6)
    chunks, whole = found["rows"]
    assert chunks["logits"] == 4 * 2 * 6 * 200
    assert chunks["norm"] == pytest.approx(whole["norm"], rel=1e-4)
    assert chunks["entropy"] == pytest.approx(whole["entropy"], rel=1e-4)
    assert chunks["peak"] is None or chunks["peak"] >= chunks["before"]


def test_the_table_is_what_came_on_top() -> None:
    row = {"loss": "in chunks", "rows": 8, "precision": "float32", "logits": 2**31, "before": 2**30, "peak": 3 * 2**30, "seconds": 4.0}
    assert "| in chunks | 8 | float32 | 2 | 2 | 4 |" in text({"rows": [row]})


def test_the_issue_s_case_is_among_the_loads() -> None:
    assert SHAPE["vocab_size"] == 151_936
    assert LOADS["8"] == Load(8)
