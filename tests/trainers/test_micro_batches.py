"""Micro-batches: every sequence once, within the budget, little padding."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dunwu.trainers.scoring import by_token_budget, pad_right


def test_by_hand() -> None:
    # Sorted by length: 1, 2, 3, 9. 3 rows x 3 tokens fit a budget of 9, the row of 9 is alone.
    assert by_token_budget([3, 9, 1, 2], 9) == [[2, 3, 0], [1]]
    assert by_token_budget([3, 9, 1, 2], 1) == [[2], [3], [0], [1]]
    assert by_token_budget([], 9) == []


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_every_sequence_once_and_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = by_token_budget(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget for batch in batches)


def test_padding_stands_on_the_right() -> None:
    ids_BT, mask_BT = pad_right([[5, 6, 7], [8]], 1, torch.device("cpu"))
    assert ids_BT.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask_BT.tolist() == [[1, 1, 1], [1, 0, 0]]
