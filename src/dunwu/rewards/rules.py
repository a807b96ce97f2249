"""The rule-based reward of DeepSeek-R1-Zero: accuracy + format, equally weighted (arXiv 2501.12948, section 2.2.2)."""

from __future__ import annotations

from dunwu.rewards.compose import ComposedReward, Part
from dunwu.rewards.form import TagStructure
from dunwu.rewards.scope import Whole


def rule_reward(accuracy_weight: float = 1.0, format_weight: float = 1.0, end_marker: str = "") -> ComposedReward:
    """``accuracy_weight * accuracy + format_weight * format``, each part 0 or 1."""
    return ComposedReward(accuracy_weight, (Part("format", Whole, TagStructure(), format_weight),), end_marker=end_marker)
