"""Weights for the mismatch between the engine that sampled and the trainer that computes gradients.

Both hold the same weights, but other kernels and another precision make the engine's distribution a slightly different one, and an engine
that lags behind makes it a clearly different one: the samples are off-policy. The ratio exp(old - behaviour) corrects for that; truncated,
it keeps the variance in bounds (F. Yao et al., "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training", 2025).

All four: log-probabilities ``old_BT`` (the trainer's, of the policy that sampled) and ``behaviour_BT`` (the engine's), ``mask_BT`` bool,
and ``clip`` (C) -> ``weights_BT``, without gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

MismatchFunction = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""``(old_BT, behaviour_BT, mask_BT, clip) -> weights_BT``"""


def truncated_per_token(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """Truncated importance sampling: ``min(exp(old_t - behaviour_t), C)``."""
    return _token_log_ratio(old_BT, behaviour_BT, mask_BT).exp().clamp(max=clip)


def truncated_per_output(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """``min(pi_old(o|q) / pi_behaviour(o|q), C)``, the same for each token of an output: unbiased before the cut, of high variance."""
    return _output_log_ratio(old_BT, behaviour_BT, mask_BT).exp().clamp(max=clip)


def masked_per_token(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """The ratio of each token where it is at most C, else 0: a token that the engine found too unlikely teaches nothing."""
    return _zero_above(_token_log_ratio(old_BT, behaviour_BT, mask_BT).exp(), clip)


def masked_per_output(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """The ratio of the whole output where it is at most C, else 0 for all its tokens."""
    return _zero_above(_output_log_ratio(old_BT, behaviour_BT, mask_BT).exp(), clip)


CORRECTIONS: Mapping[str, MismatchFunction] = MappingProxyType(
    {
        "token": truncated_per_token,
        "output": truncated_per_output,
        "token-mask": masked_per_token,
        "output-mask": masked_per_output,
    }
)
"""By the names of `GrpoConfig.tis_mode`."""


def _token_log_ratio(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor) -> Tensor:
    assert old_BT.shape == behaviour_BT.shape == mask_BT.shape, "old, behaviour and mask must have one shape"
    assert mask_BT.dtype == torch.bool, f"the mask must be bool, got {mask_BT.dtype}"
    return (old_BT.detach() - behaviour_BT).masked_fill(~mask_BT, 0.0)


def _output_log_ratio(old_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor) -> Tensor:
    log_ratio_B1 = _token_log_ratio(old_BT, behaviour_BT, mask_BT).sum(dim=1, keepdim=True)
    return log_ratio_B1.expand_as(old_BT)


def _zero_above(ratio_BT: Tensor, clip: float) -> Tensor:
    return ratio_BT.masked_fill(ratio_BT > clip, 0.0)
