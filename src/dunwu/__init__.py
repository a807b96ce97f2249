"""Dunwu (顿悟): reasoning models the way DeepSeek-R1 was made."""

__version__ = "0.1.0"
