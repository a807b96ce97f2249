"""The wording of DeepSeek-R1-Zero's prompt (arXiv 2501.12948v1, table 1), and the system prompts that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

R1_WORDING = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
    "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
    "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, "
    "i.e., <think> reasoning process here </think> <answer> answer here </answer>."
)
SYSTEMS: Mapping[str, str] = MappingProxyType({"r1": R1_WORDING})
"""System prompts by name."""
