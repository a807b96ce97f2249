"""Token entropy."""

from __future__ import annotations

import math

import pytest
import torch

from dunwu.algorithms.entropy import token_entropy


def test_by_hand() -> None:
    logits = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [math.log(3), 0.0, -math.inf, -math.inf], [0.0, -math.inf, -math.inf, -math.inf]]])
    quarter = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(token_entropy(logits), torch.tensor([[math.log(4), quarter, 0.0]]))


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 100])
def test_the_size_of_the_pieces_does_not_matter(rows: int) -> None:
    logits = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(token_entropy(logits, rows_at_once=rows), expected)


def test_bounds_and_shift() -> None:
    logits = 5 * torch.randn(4, 7, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    entropy = token_entropy(logits)
    assert entropy.shape == (4, 7)
    assert (entropy > 0).all()
    assert (entropy < math.log(13)).all()
    torch.testing.assert_close(token_entropy(logits + 3), entropy)


def test_bfloat16_logits_are_summed_in_float32_and_no_gradient_is_kept() -> None:
    logits = torch.zeros(1, 2, 1000, dtype=torch.bfloat16, requires_grad=True)
    entropy = token_entropy(logits)
    assert not entropy.requires_grad
    torch.testing.assert_close(entropy, torch.full((1, 2), math.log(1000)))
