"""The entropy bonus."""

from __future__ import annotations

import pytest

from dunwu.algorithms.entropy import EntropyBonus


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
