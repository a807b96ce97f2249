"""Models of one architecture merged weight by weight: both methods are weighted sums, for each tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def average_weights(weights: Sequence[float]) -> list[float]:
    """The weights of a mean of K models, which add up to 1: ``w_k / sum of w``.

    Model soups (arXiv 2203.05482), section 2, the uniform soup; equal weights give it, others the weighted mean.
    """
    total = sum(weights)
    assert min(weights) >= 0, "a mean has no negative weights"
    assert total > 0, "a mean has a weight above 0"
    return [weight / total for weight in weights]


def task_weights(scales: Sequence[float]) -> list[float]:
    """The weights of the base and of K models that were trained from it.

    Task arithmetic (arXiv 2212.04089), section 2, where a task vector is ``model - base``. The paper has one scale for all::

        merged = base + sum over k of scale_k * (model_k - base) = (1 - sum of scales) * base + sum over k of scale_k * model_k

    In the second form scales of 0 give the base and a single scale of 1 the model, without rounding.
    """
    return [1 - sum(scales), *scales]


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``sum over k of weights_k * tensors_k``, rounded once, to the first tensor's dtype. All of one shape, which the sum has.

    Added up in float64: products in the dtype of the files would round each one, and equal tensors would not average to themselves.
    """
    assert len({tensor.shape for tensor in tensors}) == 1, "tensors of one shape"
    total = torch.zeros(tensors[0].shape, dtype=torch.float64)
    for tensor, weight in zip(tensors, weights, strict=True):
        if weight:
            total.add_(tensor.double(), alpha=weight)
    return total.to(tensors[0].dtype)
