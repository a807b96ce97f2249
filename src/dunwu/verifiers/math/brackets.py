"""Split texts with regard to brackets."""

from __future__ import annotations

OPENING, CLOSING = "([{⦃‹", ")]}⦄›"


def split(text: str, separators: str) -> list[str]:
    """Split at separators outside all brackets; ``]`` may close ``(``, as in intervals. Trailing separators are dropped."""
    parts, depth, start = [], 0, 0
    for place, mark in enumerate(text):
        if mark in OPENING:
            depth += 1
        elif mark in CLOSING:
            depth -= 1
        elif depth == 0 and mark in separators:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in (*parts, text[start:]) if part.strip()]


def one_pair(text: str) -> bool:
    """True if the last bracket closes the first."""
    depth = 0
    for place, mark in enumerate(text):
        depth += (mark in OPENING) - (mark in CLOSING)
        if depth == 0:
            return place == len(text) - 1
    return False
