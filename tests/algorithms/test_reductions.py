"""Reductions with global denominators."""

from __future__ import annotations

import math

import pytest
import torch

from dunwu.algorithms.terms import (
    Denominators,
    denominators_of,
    sequence_mean_constant,
    sequence_mean_token_mean,
    token_mean,
)

F64 = torch.float64
VALUES = torch.tensor([[1.0, 2.0, 6.0], [10.0, 77.0, 77.0]], dtype=F64)
MASK = torch.tensor([[True, True, True], [True, False, False]])
ALL = pytest.mark.parametrize("reduce", [sequence_mean_token_mean, token_mean, sequence_mean_constant])


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [
        (sequence_mean_token_mean, (9 / 3 + 10) / 2),
        (token_mean, (9 + 10) / 4),
        (sequence_mean_constant, (9 + 10) / (2 * 3)),
    ],
)
def test_by_hand(reduce, expected: float) -> None:
    assert reduce(VALUES, MASK, denominators_of(MASK)).item() == pytest.approx(expected, rel=1e-12)


@ALL
def test_rows_of_a_split_add_up(reduce) -> None:
    denominators = denominators_of(MASK)
    parts = sum(reduce(VALUES[i : i + 1], MASK[i : i + 1], denominators) for i in range(2))
    torch.testing.assert_close(parts, reduce(VALUES, MASK, denominators))


@ALL
def test_padding_changes_nothing(reduce) -> None:
    wide = torch.cat([VALUES, torch.full((2, 4), math.nan, dtype=F64)], dim=1)
    wide_mask = torch.cat([MASK, torch.zeros(2, 4, dtype=torch.bool)], dim=1)
    denominators = denominators_of(MASK)
    torch.testing.assert_close(reduce(wide, wide_mask, denominators), reduce(VALUES, MASK, denominators))


def test_the_constant_is_the_limit_and_not_a_length() -> None:
    short, long = Denominators(rollouts=2, tokens=4, max_tokens=10), Denominators(rollouts=2, tokens=4, max_tokens=20)
    assert sequence_mean_constant(VALUES, MASK, short).item() == pytest.approx(19 / 20)
    assert sequence_mean_constant(VALUES, MASK, long).item() == pytest.approx(19 / 40)
    for reduce in (sequence_mean_token_mean, token_mean):
        assert reduce(VALUES, MASK, short) == reduce(VALUES, MASK, long)


@ALL
def test_an_output_without_tokens_contributes_zero(reduce) -> None:
    mask = torch.tensor([[True, True, True], [False, False, False]])
    denominators = Denominators(rollouts=2, tokens=3, max_tokens=3)
    torch.testing.assert_close(reduce(VALUES, mask, denominators), reduce(VALUES[:1], mask[:1], denominators))


def test_denominators() -> None:
    assert denominators_of(MASK) == Denominators(rollouts=2, tokens=4, max_tokens=3)
    assert denominators_of(torch.zeros(2, 3, dtype=torch.bool)) == Denominators(rollouts=2, tokens=1, max_tokens=3)
    with pytest.raises(AssertionError, match="positive"):
        Denominators(rollouts=0, tokens=1, max_tokens=1)
    with pytest.raises(AssertionError, match="positive"):
        Denominators(rollouts=1, tokens=1, max_tokens=0)


@ALL
def test_a_float_mask_is_refused(reduce) -> None:
    with pytest.raises(AssertionError, match="bool"):
        reduce(VALUES, MASK.to(F64), denominators_of(MASK))
