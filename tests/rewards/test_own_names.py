"""Columns of the data that are called as parameters of a function are no harm to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dunwu.rewards.own import call_own
from dunwu.types import Problem

COLUMNS = {"prompts": "no", "completions": "no", "columns": 1, "args": 2, "function": 3, "name": 4, "level": 5}
PROBLEM = Problem("p", "mine", "How many?", "number", "24", data=COLUMNS)
FUNCTIONS = """
def every(prompts, completions, **columns):
    assert prompts == ["How many?"] * 2 and completions == ["a", "bb"] and columns["columns"] == [1, 1]
    return [len(c) for c in completions]

def few(prompts, completions, level):
    assert prompts == ["How many?"] * 2 and level == [5, 5]
    return [len(c) for c in completions]

def starred(*args, prompts, completions):
    assert args == ()
    return [len(c) for c in completions]

def names(completions, name, function, **kwargs):
    assert (name, function) == ([4, 4], [3, 3]) and kwargs["prompts"] == ["How many?"] * 2
    return [len(c) for c in completions]

class Score:
    def __call__(self, prompts, completions, **columns):
        return [len(c) for c in completions]

made = Score()
"""


@pytest.mark.parametrize("name", ["every", "few", "starred", "names", "made"])
def test_the_function_sees_its_own_prompts_and_completions(name: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FUNCTIONS, encoding="utf-8")
    assert call_own(f"{tmp_path / 'own.py'}:{name}", PROBLEM, ["a", "bb"]) == [1.0, 2.0]
