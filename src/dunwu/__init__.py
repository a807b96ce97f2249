"""Dunwu (顿悟): reasoning models the way DeepSeek-R1 was made."""

from dunwu.isa import cap_torch

__version__ = "0.1.0"

cap_torch()
