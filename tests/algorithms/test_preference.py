"""Losses of reward models and calibration: cases by hand, gradients, invariants."""

from __future__ import annotations

import math

import pytest
import torch

from dunwu.algorithms.preference import Bin, bradley_terry, expected_calibration_error, pointwise, reliability


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_bradley_terry_by_hand() -> None:
    # differences ln 3, 0 and, with a margin of 1, 0: preferred with 3/4, 1/2 and 1/2
    found = bradley_terry(tensor(math.log(3), 2.0, 5.0), tensor(0.0, 2.0, 4.0), tensor(0.0, 0.0, 1.0))
    assert found.tolist() == pytest.approx([-math.log(3 / 4), math.log(2), math.log(2)])


def test_bradley_terry_knows_differences_only() -> None:
    chosen, rejected, margin = torch.randn(3, 7, dtype=torch.float64)
    torch.testing.assert_close(bradley_terry(chosen, rejected, margin), bradley_terry(chosen + 9, rejected + 9, margin))


def test_bradley_terry_stays_finite() -> None:
    assert bradley_terry(tensor(-1e4, 1e4), tensor(1e4, -1e4), tensor(0, 0)).tolist() == [2e4, 0.0]


def test_the_gradient_of_bradley_terry() -> None:
    chosen, rejected = (torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    margin = torch.rand(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda c, r: bradley_terry(c, r, margin), (chosen, rejected))
    bradley_terry(chosen, rejected, margin).sum().backward()
    assert chosen.grad is not None
    torch.testing.assert_close(chosen.grad, -torch.sigmoid(-(chosen - rejected - margin)))  # minus the chance of being wrong
    torch.testing.assert_close(rejected.grad, -chosen.grad)


def test_pointwise_by_hand() -> None:
    found = pointwise(tensor(math.log(4), math.log(4), 0.0), tensor(1.0, 0.0, 1.0))
    assert found.tolist() == pytest.approx([-math.log(4 / 5), -math.log(1 / 5), math.log(2)])


def test_the_gradient_of_pointwise() -> None:
    scores, labels = torch.randn(4, dtype=torch.float64, requires_grad=True), tensor(1, 0, 1, 0)
    assert torch.autograd.gradcheck(lambda s: pointwise(s, labels), (scores,))


def test_a_margin_for_each_pair() -> None:
    with pytest.raises(AssertionError, match="one margin"):
        bradley_terry(tensor(1.0), tensor(0.0), torch.tensor(0.0))


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_reliability_by_hand(precision: torch.dtype) -> None:
    # 0.5, 0.7 and 0.9 begin a bin, 1.0 belongs to the last
    table = reliability(tensor(0.5, 0.55, 0.7, 1.0, 0.9).to(precision), tensor(1, 0, 1, 1, 0), bins=10)
    assert table == [
        Bin(0.5, 0.6, 2, pytest.approx(0.525), 0.5),
        Bin(0.7, 0.8, 1, pytest.approx(0.7), 1.0),
        Bin(0.9, 1.0, 2, pytest.approx(0.95), 0.5),
    ]
    # 2/5 * 0.025 + 1/5 * 0.3 + 2/5 * 0.45
    assert expected_calibration_error(table) == pytest.approx(0.01 + 0.06 + 0.18)


def test_a_calibrated_predictor_has_no_error_and_a_sure_one_all_of_its_mistakes() -> None:
    correct = tensor(*([1] * 8 + [0] * 2))
    assert expected_calibration_error(reliability(torch.full((10,), 0.8, dtype=torch.float64), correct)) == pytest.approx(0.0)
    assert expected_calibration_error(reliability(torch.ones(10, dtype=torch.float64), correct)) == pytest.approx(0.2)


def test_no_predictions_have_no_error_to_tell() -> None:
    assert math.isnan(expected_calibration_error(reliability(tensor(), tensor())))


def test_a_confidence_is_a_probability() -> None:
    with pytest.raises(AssertionError, match="within 0 and 1"):
        reliability(tensor(1.5), tensor(1.0))
