"""Merging: the weights of both methods, by hand, and the sum."""

from __future__ import annotations

import pytest
import torch

from dunwu.algorithms.merging import average_weights, task_weights, weighted_sum


def test_the_weights_of_a_mean_add_up_to_one() -> None:
    assert average_weights([1, 1, 2]) == [0.25, 0.25, 0.5]
    for wrong in ([0, 0], [1, -2]):
        with pytest.raises(AssertionError):
            average_weights(wrong)


def test_task_arithmetic_by_hand() -> None:
    """base 1, models 3 and 0: 1 + 0.5 * 2 + 0.25 * (-1) = 1.75."""
    weights = task_weights([0.5, 0.25])
    assert weights == [0.25, 0.5, 0.25]
    assert weighted_sum([torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([0.0])], weights).item() == 1.75
    assert weighted_sum([torch.tensor([1.0]), torch.tensor([3.0])], task_weights([-1.0])).item() == -1.0  # forgets what was learned


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_must_be_exact(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    base, model = (torch.randn(50, 7).to(dtype) * scale for scale in (1, 1e-3))
    for copies in (2, 3, 7):
        assert torch.equal(weighted_sum([model] * copies, average_weights([1.0] * copies)), model)
    assert torch.equal(weighted_sum([base, model, model], task_weights([0.0, 0.0])), base)
    assert torch.equal(weighted_sum([base, model], task_weights([1.0])), model)


def test_the_sum_has_the_first_dtype_and_is_rounded_once() -> None:
    """In bfloat16 1 + 2^-9 is 1, and so is every partial sum; together the three are 1 + 2^-7, which bfloat16 has."""
    small = torch.tensor([2.0**-9])
    made = weighted_sum([torch.tensor([1.0], dtype=torch.bfloat16), *[small] * 4], [1.0] * 5)
    assert made.dtype == torch.bfloat16
    assert made.item() == 1 + 2**-7


def test_an_infinite_weight_of_a_model_that_does_not_count_is_nothing() -> None:
    assert weighted_sum([torch.tensor([1.0]), torch.tensor([torch.inf])], [1.0, 0.0]).item() == 1.0
