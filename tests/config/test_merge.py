"""Configurations of mergers, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from dunwu.config.load import validate
from dunwu.config.merge import MergeConfig
from dunwu.errors import ConfigError

TWO = {"a": "runs/a", "b": "runs/b"}


def test_weights_are_one_unless_given() -> None:
    assert validate(MergeConfig, {"models": TWO}).weight_list() == [1.0, 1.0]
    assert validate(MergeConfig, {"models": TWO, "weights": {"b": 3}}).weight_list() == [1.0, 3.0]
    assert validate(MergeConfig, {"models": TWO, "method": "task-arithmetic", "base": "x", "weights": {"b": -1}}).weight_list() == [1, -1]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "models"),
        ({"models": {}}, "models"),
        ({"models": ["runs/a", "runs/b"]}, "models"),
        ({"models": {"a b": "x"}}, "models"),
        ({"models": TWO, "method": "task-arithmetic"}, "base"),
        ({"models": TWO, "base": "x"}, "base"),
        ({"models": TWO, "scale": 0.5}, "scale"),
        ({"models": TWO, "weights": {"c": 1}}, "weights.c"),
        ({"models": TWO, "weights": {"a": -1}}, "weights"),
        ({"models": TWO, "weights": {"a": 0, "b": 0}}, "weights"),
        ({"models": TWO, "method": "ties"}, "method"),
    ],
)
def test_mistakes(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        validate(MergeConfig, keys)
    assert "\n" not in str(raised.value)
