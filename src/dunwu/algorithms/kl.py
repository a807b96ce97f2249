"""Estimators of the KL divergence from the reference to the policy, per token sampled from the policy.

Both: log-probabilities ``policy_BT`` (with gradient) and ``reference_BT`` (without) -> ``kl_BT``, 0 where ``mask_BT`` is false.
J. Schulman, "Approximating KL Divergence" (2020), names them k1, k2 and k3.
"""

from __future__ import annotations

import torch
from torch import Tensor


def k3(policy_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Unbiased, never negative, low variance: the estimator of the paper.

    DeepSeek-R1 (arXiv 2501.12948v1) Eq. 2; DeepSeekMath (arXiv 2402.03300) Eq. 4::

        k3 = pi_ref/pi - log(pi_ref/pi) - 1

    Departure: none in value; computed as expm1(d) - d with d = log(pi_ref/pi), which keeps its digits where policy and reference agree.
    """
    log_ratio_BT = -_difference(policy_BT, reference_BT, mask_BT)
    return torch.expm1(log_ratio_BT) - log_ratio_BT


def k2(policy_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Biased, never negative: ``k2 = log(pi/pi_ref)^2 / 2``. Its gradient in a loss is that of the KL, in expectation."""
    return _difference(policy_BT, reference_BT, mask_BT).square() / 2


def _difference(policy_BT: Tensor, reference_BT: Tensor, mask_BT: Tensor) -> Tensor:
    assert policy_BT.shape == reference_BT.shape == mask_BT.shape, "policy, reference and mask must have one shape"
    assert not reference_BT.requires_grad, "reference log-probabilities must carry no gradient"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"
    return (policy_BT - reference_BT).masked_fill(~mask_BT, 0.0)
