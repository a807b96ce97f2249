"""Verdicts, contrasts and slopes by hand, and the row of a trial from made-up answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from dunwu.config.reproduce import Claim
from dunwu.errors import DataError
from dunwu.evaluation.answers import Answer, Answers
from dunwu.evaluation.claims import TRIALS, Side, Trial, models_of, trials_of
from dunwu.evaluation.intervals import t_factor
from dunwu.evaluation.reproduction import (
    REPRODUCTION_JSON,
    Reproduction,
    contrast,
    judge,
    markdown,
    over_seeds,
    read_reproduction,
    result,
    rule,
    sentence,
    slopes,
)
from dunwu.evaluation.suite import Estimate


@pytest.mark.parametrize(
    ("low", "high", "seeds", "bound", "verdict"),
    [
        (0.1, 0.3, (0.2, 0.2, 0.1), 0.0, "holds"),
        (0.1, 0.3, (0.5, 0.2, -0.1), 0.0, "inconclusive"),  # one seed says otherwise
        (-0.1, 0.3, (0.1, 0.1, 0.1), 0.0, "inconclusive"),
        (0.0, 0.3, (0.1, 0.1, 0.1), 0.0, "inconclusive"),  # the bound itself is not above it
        (-0.3, -0.1, (-0.1, -0.2, -0.3), 0.0, "does not hold"),
        (-0.3, -0.1, (-0.1, -0.2, 0.1), 0.0, "inconclusive"),
        (-0.02, 0.01, (-0.01, 0.0), -0.03, "holds"),
        (-0.09, -0.04, (-0.05, -0.04), -0.03, "does not hold"),
        (0.1, 0.3, (0.2,), 0.0, "inconclusive"),  # a single seed
    ],
)
def test_the_verdict(low: float, high: float, seeds: tuple[float, ...], bound: float, verdict: str) -> None:
    assert judge(Estimate((low + high) / 2, low, high, 50), seeds, bound) == verdict


def test_nothing_and_one_problem_are_no_verdict() -> None:
    assert judge(None, (), 0.0) == "not measured"
    assert judge(Estimate(1.0, 1.0, 1.0, 1), (1.0, 1.0), 0.0) == "inconclusive"


def test_a_contrast_is_of_common_problems() -> None:
    assert contrast({"a": 1.0, "b": 0.5, "c": 1.0}, {"a": 0.25, "b": 0.5}, 3.0) == {"a": 0.25, "b": -1.0}
    assert over_seeds([{"a": 1.0, "b": 0.0}, {"a": 0.5}]) == {"a": 0.75}


def test_the_slope_is_that_of_least_squares_with_whites_error() -> None:
    dice = np.random.default_rng(1)
    x = np.repeat([1.0, 2.0, 3.0, 4.0], 10)
    y = 20 * x + x * dice.normal(size=40)
    found = np.array([*slopes(dict(zip(map(str, range(40)), x, strict=True)), dict(zip(map(str, range(40)), y, strict=True))).values()])
    fitted = np.polyfit(x, y, 1)
    assert found.mean() == pytest.approx(fitted[0])
    centred, residuals = x - x.mean(), y - np.polyval(fitted, x)
    white = np.sqrt((centred**2 * residuals**2).sum()) / (centred**2).sum()
    assert found.std(ddof=0) / np.sqrt(40) == pytest.approx(white)
    assert slopes({"a": 1.0, "b": 1.0}, {"a": 3.0, "b": 4.0}) == {}
    assert slopes({}, {"a": 3.0}) == {}


def answers(**right: list[int]) -> Answers:
    """Two thinking tokens a right answer, of the problems' own difficulty."""
    return {
        f"reasoning-x/{problem}": [Answer(each, None, str(each), 2.0 * each, 0.0, float(ord(problem) - ord("a"))) for each in given]
        for problem, given in right.items()
    }


def test_a_row_by_hand() -> None:
    trial = Trial("lift", "more", Side("zero", "pass_at_1"), Side("base", "pass_at_1", shared=True), "2 -> 4", "nowhere", times=3.0)
    measured = {
        "base": answers(a=[0, 0], b=[1, 0], c=[0, 0]),
        "zero-4": answers(a=[1, 1], b=[1, 1], c=[1, 0]),
        "zero-5": answers(a=[1, 0], b=[1, 1], c=[1, 1]),
    }
    row = result(trial, measured, (4, 5))
    assert (row.other, row.one) == (pytest.approx(1 / 6), pytest.approx(5 / 6))
    assert row.seeds == pytest.approx((1 / 3, 1 / 3))  # (1 + (1 - 1.5) + 0.5) / 3
    values = [0.75, 1 - 1.5, 0.75]
    mean = sum(values) / 3
    half = t_factor(2) * (sum((each - mean) ** 2 for each in values) / 2 / 3) ** 0.5
    assert row.difference is not None
    assert (row.difference.value, row.difference.low, row.difference.high) == pytest.approx((mean, mean - half, mean + half))
    assert row.verdict == "inconclusive"
    assert row.runs == ("zero-4", "zero-5", "base")
    assert rule(trial) == "zero - 3 x base > 0"


def test_majority_and_difficulty_rows() -> None:
    measured = {f"zero-{seed}": answers(a=[1, 1, 0], b=[1, 0, 0], c=[1, 1, 1]) for seed in (0, 1)}
    majority, slope = (
        result(trial, measured, (0, 1)) for trial in (TRIALS[1], next(each for each in TRIALS if each.one and not each.other))
    )
    assert (majority.other, majority.one) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (slope.other, slope.one) == (pytest.approx(4 / 3), 2.0)
    assert slope.difference is not None
    assert slope.difference.value == pytest.approx(1 / 3)
    assert len(slope.seeds) == 2


def test_what_no_answer_has_is_not_measured() -> None:
    measured = {name: answers(a=[1], b=[0]) for name in ("zero-0", "zero-1", "language-0", "language-1")}  # reasoning without words
    rows = [result(trial, measured, (0, 1)) for trial in trials_of(["language"])]
    assert [row.verdict for row in rows] == ["not measured", "holds"]  # a difference of 0 is above -3 points


def test_every_claim_has_a_trial_and_only_process_reward_is_not_built() -> None:
    assert [*dict.fromkeys(trial.claim for trial in TRIALS)] == [*get_args(Claim)]
    [unbuilt] = [trial for trial in TRIALS if trial.one is None]
    assert (unbuilt.claim, result(unbuilt, {}, (0,)).verdict) == ("process", "not built")
    assert models_of(["process"]) == []
    assert [side.model for side in models_of(["lift", "majority"])] == ["zero", "base"]


def test_read_back_and_shown(tmp_path: Path) -> None:
    measured = {"base": answers(a=[0], b=[0]), "zero-0": answers(a=[1], b=[1]), "zero-1": answers(a=[1], b=[1])}
    found = Reproduction(tuple(result(trial, measured, (0, 1)) for trial in trials_of(["lift", "process"])), (0, 1))
    path = tmp_path / REPRODUCTION_JSON
    path.write_text(json.dumps(found.as_json()), encoding="utf-8")
    assert read_reproduction(path) == found
    lines = markdown(found).splitlines()
    assert sum("| holds |" in line or "| **holds** |" in line for line in lines) == 1
    assert sum("| not built |" in line for line in lines) == 1
    assert sentence(found) == "Of 2 claims: 1 holds, 1 not built."
    for wrong in ("{}", "[]", path.read_text(encoding="utf-8").replace('"holds"', '"is true"')):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(DataError):
            read_reproduction(path)
