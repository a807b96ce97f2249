"""Losses of reward models, and how well their probabilities are calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def bradley_terry(chosen_B: Tensor, rejected_B: Tensor, margin_B: Tensor) -> Tensor:
    """Negative log-likelihood that the chosen answer is preferred; one loss a pair.

    InstructGPT (arXiv 2203.02155) Eq. 1, after Bradley and Terry (1952); with the margin Llama 2 (arXiv 2307.09288) Eq. 2::

        loss = -log sigmoid(r_chosen - r_rejected - m)

    Shapes: all ``[B]`` -> ``[B]``; ``m >= 0``, 0 for none. Departure from InstructGPT: its mean over the pairs of one prompt is left to the
    caller. Computed as softplus, which stays finite where the sigmoid is 0.
    """
    assert chosen_B.shape == rejected_B.shape == margin_B.shape, "one margin for each pair"
    return F.softplus(-(chosen_B - rejected_B - margin_B))


def pointwise(scores_B: Tensor, labels_B: Tensor) -> Tensor:
    """Binary cross-entropy of the label 1 (safe) or 0 (unsafe) with a score that is its log-odds; one loss an answer.

    The pointwise method of DeepSeek-R1's safety reward model (Nature 645:633-638, Methods), which gives no formula; the usual one::

        loss = -y log sigmoid(r) - (1 - y) log(1 - sigmoid(r))

    Shapes: ``[B]``, ``[B]`` -> ``[B]``.
    """
    assert scores_B.shape == labels_B.shape, "one label for each answer"
    return F.binary_cross_entropy_with_logits(scores_B, labels_B, reduction="none")


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions with a confidence of at least ``low`` and below ``high`` (1 itself belongs to the last): how many, and two means."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(confidence_N: Tensor, correct_N: Tensor, bins: int = 10) -> list[Bin]:
    """The reliability table: predictions by confidence, in ``bins`` equal parts of [0, 1]; empty ones are left out.

    Guo et al. (arXiv 1706.04599) Eq. 1 and 2. Departure: bins are closed below, where theirs are closed above, so that 0.5, the least
    confidence of a choice between two, falls in with what is above it. Shapes: both ``[N]``, ``correct_N`` of 0 and 1.
    """
    assert confidence_N.shape == correct_N.shape, "one outcome for each prediction"
    assert bool(((confidence_N >= 0) & (confidence_N <= 1)).all()), "confidences are within 0 and 1"
    place_N = (confidence_N * bins).floor().clamp(max=bins - 1)
    table = []
    for place in range(bins):
        inside_N = place_N == place
        if count := int(inside_N.sum()):
            confidence, accuracy = (float(values_N[inside_N].double().mean()) for values_N in (confidence_N, correct_N))
            table.append(Bin(place / bins, (place + 1) / bins, count, confidence, accuracy))
    return table


def expected_calibration_error(table: list[Bin]) -> float:
    """How far confidence is from accuracy, averaged over predictions; NaN without any.

    Guo et al. (arXiv 1706.04599) Eq. 3, of a `reliability` table::

        ECE = sum_m |B_m| / N * |acc(B_m) - conf(B_m)|
    """
    total = sum(each.count for each in table)
    return sum(each.count * abs(each.accuracy - each.confidence) for each in table) / total if total else torch.nan
