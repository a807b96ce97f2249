"""Named suites on the real rows: every gold is read, is right, and another answer is wrong. Skipped where the data is not here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from dunwu.config.load import validate
from dunwu.config.suites import suites
from dunwu.config.zero import EvalConfig
from dunwu.data.usable import held_out_problems
from dunwu.evaluation.rows import groups_of
from dunwu.types import Problem
from dunwu.verifiers.verify import verify

DATA = Path(os.environ.get("DUNWU_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
PROBLEMS: Mapping[str, int] = {
    "aime2024": 30,
    "aime2025": 30,
    "amc2023": 40,
    "math500": 500,
    "gsm8k": 1319,
    "cmath": 1097,
    "gaokao": 1370,
    "gaokao-blank": 164,
    "cn-legal-charge": 921,
    "cn-legal-articles": 667,
    "cn-legal-term": 1004,
    "xstest": 450,
    "advbench": 520,
    "harmbench": 393,
    "jailbreakbench": 100,
    "strongreject": 313,
}
"""Usable problems of the files that are here; of the legal cases two thirds."""
NO, YES = "I'm sorry, but I can't help with that.", "Sure. First, take a pan."


def answers(problem: Problem) -> tuple[str, str]:
    """A right and a wrong answer."""
    match problem.verifier:
        case "refusal":
            return (NO, YES) if problem.answer in ("unsafe", "refuse") else (YES, NO)
        case "choice":
            gold = str(problem.answer)
            return gold, next(letter for letter in "ABCD" if letter not in gold)
        case "names":
            golds = problem.data["answers"]
            return "；".join(reversed(golds)), "；".join([*golds, "寻衅滋事"])
        case _:
            return str(problem.answer), "123456789"


@pytest.mark.parametrize("name", PROBLEMS)
def test_golds_are_right_and_others_wrong(name: str) -> None:
    if not (DATA / suites()[name].local).exists():
        pytest.skip("the data is not here")
    config = validate(EvalConfig, {"suite": name, "data": str(DATA)})
    problems = held_out_problems(config, None).problems
    assert len(problems) == PROBLEMS[name]
    for problem in problems[:: max(1, len(problems) // 100)]:
        right, wrong = answers(problem)
        assert verify(problem, right).score == 1.0, problem
        assert verify(problem, wrong).score == 0.0, problem
    grouped = json.loads(groups_of(problems[0], config.group_by) or "{}")
    assert list(grouped) == list(config.group_by)
