"""The benchmark measures what it says."""

from __future__ import annotations

import pytest

from benchmarks import sandbox
from benchmarks.results import Options
from tests.sandbox.conftest import require


def test_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    require(1)
    monkeypatch.setattr(sandbox, "RUNS", {False: 10})
    found = sandbox.measure(Options(repeats=1, threads=1, only=("namespaces", "afresh")))
    warm, cold = found["rows"]
    assert warm["script"] > cold["script"] > 0
    assert warm["function"] > 0
    assert sandbox.as_table(found).count("\n") == 3
