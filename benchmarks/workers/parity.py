"""The reward of the step benchmark: cheap, the same in every trainer, and rarely equal within a group. Standard library only."""

from __future__ import annotations


def parity(text: str) -> float:
    """Whether the sum of the characters' code points is odd."""
    return float(sum(map(ord, text)) % 2)
