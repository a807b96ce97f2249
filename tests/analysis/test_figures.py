"""Figures: what is said where a curve is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.analysis.figures import measured_figures, training_figures
from dunwu.analysis.rundir import Run

OFF, UNKNOWN = "not measured, as beta 0", "was not recorded"


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


def test_accuracy_over_steps_has_both_lines_and_the_band() -> None:
    points = tuple(
        {"step": step, "pass_at_1": value, "interval": [value - 0.1, value + 0.1], "majority_at_k": value + 0.05, "k": 4, "problems": 50}
        for step, value in ((0, 0.2), (10, 0.4), (20, 0.6))
    )
    (figure,) = measured_figures(Run(Path(), measured={"countdown": points}))
    assert figure.title == "Held-out accuracy: countdown"
    assert figure.sentence.startswith("At steps 0 and 20: pass@1 20.0 % and 60.0 %; majority@4")
    assert "25.0 % and 65.0 %" in figure.sentence
    assert "over the 50 problems" in figure.sentence
    assert "FillBetween" in str(figure.svg)
    assert str(figure.svg).count("clip-path") > 2


def test_one_sample_has_no_majority() -> None:
    points = tuple({"step": step, "pass_at_1": 0.5, "interval": None, "majority_at_k": 0.5, "k": 1, "problems": 5} for step in (0, 10))
    (figure,) = measured_figures(Run(Path(), measured={"set": points}))
    assert "majority@" not in figure.sentence
