"""The KL estimators."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dunwu.algorithms.terms import k2, k3

F64 = torch.float64
ALL = pytest.mark.parametrize("estimator", [k2, k3])


def test_by_hand() -> None:
    policy, reference = torch.tensor([[0.5, 0.25]], dtype=F64).log(), torch.tensor([[0.25, 0.5]], dtype=F64).log()
    mask = torch.ones(1, 2, dtype=torch.bool)
    ln2 = math.log(2)
    torch.testing.assert_close(k2(policy, reference, mask), torch.tensor([[ln2**2 / 2, ln2**2 / 2]], dtype=F64))
    # pi_ref/pi - log(pi_ref/pi) - 1: 1/2 + ln 2 - 1 and 2 - ln 2 - 1
    torch.testing.assert_close(k3(policy, reference, mask), torch.tensor([[ln2 - 0.5, 1 - ln2]], dtype=F64))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(-30, 0), st.floats(-30, 0), st.sampled_from([torch.float32, torch.float64]))
def test_k3_is_never_negative(policy: float, reference: float, dtype: torch.dtype) -> None:
    policy_BT, reference_BT = torch.tensor([[policy]], dtype=dtype), torch.tensor([[reference]], dtype=dtype)
    assert k3(policy_BT, reference_BT, torch.ones(1, 1, dtype=torch.bool)).item() >= 0


def test_k3_keeps_its_digits_where_policy_and_reference_agree() -> None:
    distance = 2.0**-12
    policy, reference = torch.tensor([[0.0]]), torch.tensor([[distance]])
    got = k3(policy, reference, torch.ones(1, 1, dtype=torch.bool)).item()
    assert got == pytest.approx(distance**2 / 2 + distance**3 / 6, rel=1e-2)


@ALL
def test_equal_distributions_give_exactly_zero(estimator) -> None:
    logprobs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(estimator(logprobs, logprobs.clone(), torch.ones(4, 5, dtype=torch.bool)), torch.zeros(4, 5))


def test_k3_is_unbiased_over_the_policy() -> None:
    generator = torch.Generator().manual_seed(3)
    policy = torch.log_softmax(torch.randn(1, 6, dtype=F64, generator=generator), -1)
    reference = torch.log_softmax(torch.randn(1, 6, dtype=F64, generator=generator), -1)
    mask = torch.ones(1, 6, dtype=torch.bool)
    true_kl = (policy.exp() * (policy - reference)).sum()
    torch.testing.assert_close((policy.exp() * k3(policy, reference, mask)).sum(), true_kl)
    assert abs((policy.exp() * k2(policy, reference, mask)).sum() - true_kl) > 1e-3


@ALL
@pytest.mark.parametrize("garbage", [math.nan, -math.inf, 500.0])
def test_what_is_under_the_mask_reaches_neither_value_nor_gradient(estimator, garbage: float) -> None:
    policy = torch.tensor([[-1.0, garbage]], dtype=F64, requires_grad=True)
    value = estimator(policy, torch.tensor([[-2.0, 0.0]], dtype=F64), torch.tensor([[True, False]]))
    value.sum().backward()
    assert value[0, 1] == 0
    assert policy.grad[0, 1] == 0
    assert policy.grad[0, 0] != 0


@ALL
def test_gradcheck(estimator) -> None:
    generator = torch.Generator().manual_seed(1)
    policy = torch.randn(2, 3, dtype=F64, generator=generator).requires_grad_()
    reference = torch.randn(2, 3, dtype=F64, generator=generator)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert torch.autograd.gradcheck(lambda x: estimator(x, reference, mask), (policy,))
