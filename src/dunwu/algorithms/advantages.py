"""Advantages: from the rewards of a group to the credit of each rollout (or token). Pure functions, no gradient."""

from __future__ import annotations

import torch
from torch import Tensor

STD_EPSILON = 1e-6
"""Added to a group's standard deviation. It scales advantages by 1 - 1e-6/std: far below what matters for rewards of order 1."""


def group_normalised(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """Advantage of each rollout relative to its group, with the population standard deviation.

    DeepSeek-R1 (arXiv 2501.12948v1) Eq. 3; DeepSeekMath (arXiv 2402.03300) section 4.1.2::

        A_i = (r_i - mean(r_1..r_G)) / std(r_1..r_G)

    Shapes: ``rewards_PG`` float, ``valid_PG`` bool; returns ``advantages_PG`` in the dtype of the rewards.
    ``valid_PG`` is false where the reward failed: such a rollout is excluded from mean and std, its reward may hold anything
    (NaN included), and its advantage is 0.

    Departures: the paper does not say whether the std divides by G or G - 1, we divide by G (`group_normalised_sample_std` by G - 1);
    `STD_EPSILON` is added to the std; a group of equal rewards, where the formula is 0/0, gets exactly 0.
    """
    return _normalised(rewards_PG, valid_PG, bessel=0)


def group_normalised_sample_std(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """`group_normalised` with the sample standard deviation (division by G - 1), as most public implementations have it.

    DeepSeek-R1 v1 Eq. 3. Advantages are smaller than the population variant's by sqrt((G - 1) / G). Shapes as there.
    """
    return _normalised(rewards_PG, valid_PG, bessel=1)


def group_centred(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """Advantage of each rollout relative to its group, without division by the standard deviation.

    Dr. GRPO (arXiv 2503.20783) section 3.2: ``A_i = r_i - mean(r_1..r_G)``, so that questions with rewards of little spread (very easy,
    very hard) do not weigh more than others. Shapes and failed rewards as in `group_normalised`. Departures: none.
    """
    centred_PG, _ = _centred(rewards_PG, valid_PG)
    return centred_PG


def leave_one_out(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """Each rollout's reward less the mean of the *other* rewards of its group: a baseline that does not depend on the rollout itself.

    RLOO (arXiv 2402.14740)::

        A_i = r_i - 1/(G - 1) * sum over j != i of r_j        ( = G/(G - 1) * (r_i - mean(r_1..r_G)) )

    Shapes and failed rewards as in `group_normalised`; G counts the valid rewards, and a lone one gets 0. Departures: none.
    """
    centred_PG, count_P1 = _centred(rewards_PG, valid_PG)
    return centred_PG * count_P1 / (count_P1 - 1).clamp(min=1)


def batch_normalised(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """Advantage of each rollout relative to all rollouts of the step, whatever their prompt.

    REINFORCE++ (arXiv 2501.03262), global advantage normalisation::

        A_i = (r_i - mean(batch)) / std(batch)

    Shapes and failed rewards as in `group_normalised`. A group of equal rewards is not without signal here; only a batch of equal rewards
    gives 0. Departures: the paper subtracts a KL penalty from the reward of each token before; ours, where beta is set, stands in the loss.
    """
    return group_normalised(rewards_PG.reshape(1, -1), valid_PG.reshape(1, -1)).view_as(rewards_PG)


def group_centred_batch_normalised(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """The group's mean as baseline, one scale for the whole step.

    REINFORCE++ with baseline (arXiv 2501.03262)::

        A'_i = r_i - mean(group of i);    A_i = (A'_i - mean(batch of A')) / std(batch of A')

    Shapes and failed rewards as in `group_normalised`. Departures: mean(batch of A') is 0 and left out.
    """
    centred_PG, _ = _centred(rewards_PG, valid_PG)
    std = (centred_PG.square().sum() / valid_PG.sum().clamp(min=1)).sqrt()
    return centred_PG / (std + STD_EPSILON)


def dead_groups(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """Which groups teach nothing: all valid rewards are equal, or fewer than two are valid. Every advantage there is exactly 0.

    Shapes: ``rewards_PG`` float, ``valid_PG`` bool; returns ``bool_P``.
    """
    _check(rewards_PG, valid_PG)
    infinity = torch.inf
    highest_P = rewards_PG.masked_fill(~valid_PG, -infinity).amax(dim=1)
    lowest_P = rewards_PG.masked_fill(~valid_PG, infinity).amin(dim=1)
    return highest_P <= lowest_P


def process_normalised(step_rewards_PGS: Tensor, step_ends_PGS: Tensor, valid_PGS: Tensor, tokens: int) -> Tensor:
    """Per-token advantages from rewards of reasoning steps: the sum of the normalised rewards of all steps that end at or after a token.

    DeepSeekMath (arXiv 2402.03300) section 4.1.3, process supervision::

        r~_i(j) = (r_i(j) - mean(R)) / std(R)        R: all step rewards of the group
        A_i,t   = sum over j with index(j) >= t of r~_i(j)

    Shapes: ``S`` is the largest number of steps of a rollout. ``step_rewards_PGS`` float; ``step_ends_PGS`` int64, index(j), the
    position in the completion (from 0) of the last token of step j; ``valid_PGS`` bool, false for padding and failed rewards;
    ``tokens`` is T.
    Returns ``advantages_PGT``; tokens after the last step get 0.

    Departures: population std, `STD_EPSILON` and the exact 0 for equal rewards, as in `group_normalised`.
    """
    assert step_rewards_PGS.shape == step_ends_PGS.shape == valid_PGS.shape, "step rewards, ends and validity must have one shape"
    assert step_rewards_PGS.ndim == 3, f"expected [P, G, S], got {tuple(step_rewards_PGS.shape)}"
    assert not valid_PGS.any() or 0 <= step_ends_PGS[valid_PGS].min() <= step_ends_PGS[valid_PGS].max() < tokens, (
        "a step ends outside the tokens"
    )
    prompts, group, _ = step_rewards_PGS.shape
    normalised_PGS = group_normalised(step_rewards_PGS.flatten(1), valid_PGS.flatten(1)).view_as(step_rewards_PGS)
    at_end_PGT = normalised_PGS.new_zeros(prompts, group, tokens)
    at_end_PGT.scatter_add_(2, step_ends_PGS.masked_fill(~valid_PGS, 0), normalised_PGS)
    return at_end_PGT.flip(2).cumsum(2).flip(2)


def _normalised(rewards_PG: Tensor, valid_PG: Tensor, bessel: int) -> Tensor:
    centred_PG, count_P1 = _centred(rewards_PG, valid_PG)
    std_P1 = (centred_PG.square().sum(dim=1, keepdim=True) / (count_P1 - bessel).clamp(min=1)).sqrt()
    return centred_PG / (std_P1 + STD_EPSILON)


def _centred(rewards_PG: Tensor, valid_PG: Tensor) -> tuple[Tensor, Tensor]:
    """Rewards less their group's mean, 0 where failed and in dead groups; and the number of valid rewards of each group."""
    _check(rewards_PG, valid_PG)
    rewards_PG = rewards_PG.masked_fill(~valid_PG, 0.0)
    count_P1 = valid_PG.sum(dim=1, keepdim=True)
    mean_P1 = rewards_PG.sum(dim=1, keepdim=True) / count_P1.clamp(min=1)
    centred_PG = (rewards_PG - mean_P1).masked_fill(~valid_PG, 0.0)
    # The mean of equal numbers is not always that number in floating point; over epsilon the difference would become an advantage.
    return centred_PG.masked_fill(dead_groups(rewards_PG, valid_PG)[:, None], 0.0), count_P1


def _check(rewards_PG: Tensor, valid_PG: Tensor) -> None:
    assert rewards_PG.ndim == 2, f"expected rewards [P, G], got {tuple(rewards_PG.shape)}"
    assert rewards_PG.shape == valid_PG.shape, f"rewards {tuple(rewards_PG.shape)} and valid {tuple(valid_PG.shape)} differ"
    assert rewards_PG.is_floating_point(), f"rewards must be floats, got {rewards_PG.dtype}"
    assert valid_PG.dtype == torch.bool, f"valid must be bool, got {valid_PG.dtype}"
