"""Answers in words, compared with a gold in words."""

from dunwu.verifiers.text.verify import verify_text

__all__ = ["verify_text"]
