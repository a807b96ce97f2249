"""The benchmark of an update beside the teacher runs, and its table has the ratio."""

from __future__ import annotations

from benchmarks.distillation_step import METHODS, measure, text
from benchmarks.results import Options


def test_every_method_is_measured_in_both_ways() -> None:
    found = measure(tuple(METHODS), Options(threads=1, repeats=1), updates=1)
    assert [row["method"] for row in found["rows"]] == list(METHODS)
    assert all(min(row["dunwu"], row["torch"]) > 0 for row in found["rows"])


def test_the_table_has_the_ratio() -> None:
    row = {"method": "hidden", "arithmetic": "native, bfloat16", "dunwu": 30_000.0, "torch": 10_000.0}
    assert "| hidden | native, bfloat16 | 30,000 | 10,000 | 3 |" in text({"rows": [row]})
