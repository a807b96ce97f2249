"""The rule reward of DeepSeek-R1-Zero: accuracy + format, equally weighted (arXiv 2501.12948, section 2.2.2)."""

from __future__ import annotations

from dunwu.rewards.compose import ComposedReward, Part
from dunwu.rewards.scope import Whole
from dunwu.types import Problem


def well_formed(_problem: Problem, whole: Whole) -> float:
    """1 for ``<think>...</think> <answer>...</answer>`` and nothing else, right or wrong; else 0.

    The prefill belongs to the text: where the template has written ``<think>`` already, the completion alone would never be well-formed.
    """
    return float(whole.completion.well_formed)


def rule_reward(accuracy_weight: float = 1.0, format_weight: float = 1.0, end_marker: str = "") -> ComposedReward:
    """``accuracy_weight * accuracy + format_weight * format``, each part 0 or 1."""
    return ComposedReward(accuracy_weight, (Part("format", Whole, well_formed, format_weight),), end_marker=end_marker)
