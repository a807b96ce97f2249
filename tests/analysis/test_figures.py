"""Figures: what is said where a curve is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.analysis.figures import training_figures
from dunwu.analysis.rundir import Run

OFF, UNKNOWN = "KL was not measured", "was not recorded"


@pytest.mark.parametrize(
    ("beta", "algorithm", "told"),
    [
        ("0.0", "grpo-r1: ..., no KL, ...", OFF),
        ("null", "dapo: ..., no KL, ...", OFF),  # the algorithm's own beta
        ("null", "grpo-r1: ..., 0.001 * k3, ...", UNKNOWN),
        ("0.001", "grpo-r1: ..., 0.001 * k3, ...", UNKNOWN),
    ],
)
def test_why_there_is_no_kl(beta: str, algorithm: str, told: str) -> None:
    run = Run(Path(), config_text=f"grpo: {{beta: {beta}}}", manifest={"algorithm": algorithm})
    (figure,) = [figure for figure in training_figures(run) if figure.title == "KL to the reference"]
    assert told in figure.sentence
