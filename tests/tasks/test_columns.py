"""Columns by dotted name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dunwu.tasks.columns import cell, dotted_names, filled, has, nearest

ROW = {
    "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    "reward_model": {"style": "rule", "ground_truth": "12"},
    "extra_info": '{"answer": "eleven", "parts": [1, 2]}',
    "a.b": "dotted",
    "a": {"b": "nested"},
    "empty": None,
    "nan": float("nan"),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reward_model.ground_truth", "12"),
        ("prompt.1.content", "u"),
        ("prompt.-1.content", "u"),
        ("extra_info.answer", "eleven"),
        ("extra_info.parts.1", 2),
        ("a.b", "dotted"),
        ("prompt.2.content", None),
        ("prompt.one.content", None),
        ("reward_model.style.deeper", None),
        ("nothing.at.all", None),
        ("", None),
    ],
)
def test_cells(name: str, value: Any) -> None:
    assert cell(ROW, name) == value


def test_filled_and_present() -> None:
    assert filled(ROW, ("empty", "nan", "reward_model.ground_truth")) == "reward_model.ground_truth"
    assert has(ROW, "empty")
    assert not has(ROW, "reward_model.gold")


def test_dotted_names_and_the_nearest() -> None:
    assert dotted_names(ROW)[:5] == ["prompt.0.role", "prompt.0.content", "prompt.1.role", "prompt.1.content", "reward_model.style"]
    assert nearest(ROW, ["ground_truth"]) == "reward_model.ground_truth"
    assert nearest(ROW, ["reward_model.groundtruth"]) == "reward_model.ground_truth"
    assert nearest(ROW, ["xyz"]) == ""
    deep: Any = "x"
    for _ in range(1000):
        deep = [{"a": deep}]
    assert dotted_names({"deep": deep}) == ["deep.0.a.0.a"]
    assert cell({"deep": json.dumps("[" * 10) + "{"}, "deep.0") is None
