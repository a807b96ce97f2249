"""Token entropy, and the bonus for it."""

from __future__ import annotations

import math

import pytest
import torch

from dunwu.algorithms.entropy import EntropyBonus, token_entropy


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


def test_the_bonus_moves_towards_its_target_and_not_below_zero() -> None:
    bonus = EntropyBonus(0.01, target=0.3, step=0.004)
    assert bonus.weight == 0.01  # before anything is known
    assert bonus.after(0.2).coefficient == pytest.approx(0.014)
    assert bonus.after(0.4).coefficient == pytest.approx(0.006)
    assert bonus.after(0.3).coefficient == 0.01
    spent = EntropyBonus(0.001, target=0.3, step=0.004).after(0.4)
    assert spent.coefficient == 0.0
    assert spent.after(0.2).coefficient == pytest.approx(0.004)  # and it comes back
    with pytest.raises(AssertionError, match=">= 0"):
        EntropyBonus(-0.1)


def test_it_is_off_while_the_entropy_is_above_the_target() -> None:
    bonus = EntropyBonus(0.01, target=0.3, step=0.004)
    assert bonus.after(0.31).weight == 0
    assert bonus.after(0.31).after(0.29).weight == pytest.approx(0.01)  # down and up again
    assert bonus.after(0.3).weight == 0.01


def test_without_a_target_it_stays() -> None:
    bonus = EntropyBonus(0.02, step=0.004)
    assert bonus.after(5.0).after(0.1) == bonus
    assert bonus.weight == 0.02
