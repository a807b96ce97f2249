"""Weights for the mismatch of engine and trainer."""

from __future__ import annotations

import math

import pytest
import torch

from dunwu.algorithms.mismatch import (
    CORRECTIONS,
    masked_per_output,
    masked_per_token,
    truncated_per_output,
    truncated_per_token,
)

F64 = torch.float64
MASK = torch.tensor([[True, True, True], [True, True, False]])
RATIO = torch.tensor([[0.5, 1.0, 3.0], [2.5, 0.4, 99.0]], dtype=F64)
ALL = pytest.mark.parametrize("mode", CORRECTIONS)


def weights(correction, ratio: torch.Tensor = RATIO, clip: float = 2.0) -> torch.Tensor:
    return correction(ratio.log(), torch.zeros_like(ratio), MASK, clip)


def test_by_hand() -> None:
    inside = MASK.to(F64)
    torch.testing.assert_close(weights(truncated_per_token) * inside, torch.tensor([[0.5, 1, 2], [2, 0.4, 0]], dtype=F64))
    torch.testing.assert_close(weights(masked_per_token) * inside, torch.tensor([[0.5, 1, 0], [0, 0.4, 0]], dtype=F64))
    # Outputs: 0.5 * 1 * 3 = 1.5 and 2.5 * 0.4 = 1; then with a bound of 1.2.
    torch.testing.assert_close(weights(truncated_per_output) * inside, torch.tensor([[1.5] * 3, [1, 1, 0]], dtype=F64))
    torch.testing.assert_close(weights(truncated_per_output, clip=1.2) * inside, torch.tensor([[1.2] * 3, [1, 1, 0]], dtype=F64))
    torch.testing.assert_close(weights(masked_per_output, clip=1.2) * inside, torch.tensor([[0] * 3, [1, 1, 0]], dtype=F64))


@ALL
def test_without_mismatch_every_weight_is_exactly_one(mode: str) -> None:
    logprobs = torch.randn(2, 3)
    assert torch.equal(CORRECTIONS[mode](logprobs, logprobs.clone(), MASK, 2.0), torch.ones(2, 3))


@ALL
def test_weights_are_bounded_and_carry_no_gradient(mode: str) -> None:
    old = torch.randn(2, 3, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    got = CORRECTIONS[mode](old, torch.zeros(2, 3, dtype=F64), MASK, 1.5)
    assert not got.requires_grad
    assert (got >= 0).all()
    assert (got <= 1.5).all()


@ALL
@pytest.mark.parametrize("garbage", [math.nan, -math.inf])
def test_what_is_under_the_mask_reaches_no_weight(mode: str, garbage: float) -> None:
    got = CORRECTIONS[mode](RATIO.log(), torch.zeros(2, 3, dtype=F64).masked_fill(~MASK, garbage), MASK, 2.0)
    assert got.isfinite().all()
    torch.testing.assert_close(got[MASK], weights(CORRECTIONS[mode])[MASK])


def test_the_corrected_gradient_is_unbiased_where_nothing_is_truncated() -> None:
    """Samples of a behaviour policy, weighed, give the expectation under the old policy: summed over all actions, exactly."""
    generator = torch.Generator().manual_seed(4)
    behaviour, old = (torch.log_softmax(torch.randn(1, 5, dtype=F64, generator=generator), -1) for _ in range(2))
    values, mask = torch.randn(1, 5, dtype=F64, generator=generator), torch.ones(1, 5, dtype=torch.bool)
    weighed = (behaviour.exp() * truncated_per_token(old, behaviour, mask, 1e9) * values).sum()
    torch.testing.assert_close(weighed, (old.exp() * values).sum())
    assert abs((behaviour.exp() * values).sum() - weighed) > 1e-3
