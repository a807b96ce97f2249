"""The estimate of a model's answers: by hand."""

from __future__ import annotations

import pytest

from dunwu.config.data import EndpointGenerator, LocalGenerator
from dunwu.data.generators.cost import estimate


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize(
    ("prices", "shown"),
    [
        ({"prompt_price": 1e6, "completion_price": 2e6}, "8 tokens of prompts, at most 50 generated; at the given prices at most 108.00"),
        ({"completion_price": 2e6}, "8 tokens of prompts, at most 50 generated; at the given prices at most 100.00"),
        ({}, "8 tokens of prompts, at most 50 generated"),
    ],
)
def test_two_prompts_by_hand(prices: dict[str, float], shown: str) -> None:
    config = EndpointGenerator(url="http://x/v1", model="m", **prices)
    assert estimate({"one two": 3, "one more": 1}, 50, config, words) == f"about {shown}"  # type: ignore[arg-type]


def test_a_local_model_costs_nothing() -> None:
    assert "price" not in estimate({"one": 1}, 1, LocalGenerator(), words)  # type: ignore[arg-type]
