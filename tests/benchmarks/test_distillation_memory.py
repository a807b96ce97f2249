"""The memory benchmark of distillation runs on a small shape, and its table is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.distillation_memory import LOADS, SHAPE, Load, measure, text
from benchmarks.results import Options


@pytest.mark.slow
def test_a_small_shape_is_measured(tmp_path: Path) -> None:
    loads = {"chunks": Load(40), "whole": Load(40, whole=True), "stored": Load(40, "reverse", k=3)}
    found = measure(loads, Options(threads=1), tmp_path, {"width": 8, "vocabulary": 300})
    chunks, whole, stored = found["rows"]
    assert chunks["logits"] == 4 * 40 * 300
    assert chunks["value"] == pytest.approx(whole["value"], rel=1e-4)
    assert chunks["norm"] == pytest.approx(whole["norm"], rel=1e-4)
    assert stored["value"] > 0
    assert chunks["peak"] is None or chunks["peak"] >= chunks["before"]


def test_the_table_is_what_came_on_top() -> None:
    row = {"loss": "in chunks", "divergence": "forward", "k": 0, "tokens": 16, "logits": 2**31, "before": 2**30, "peak": 3 * 2**30}
    assert "| in chunks | forward | all logits | 16 | 2 | 2 | 4 |" in text({"rows": [row | {"seconds": 4.0}]})


def test_the_issue_s_case_is_among_the_loads() -> None:
    assert SHAPE["vocabulary"] == 151_936
    assert LOADS["8x2048"] == Load(16_384)
