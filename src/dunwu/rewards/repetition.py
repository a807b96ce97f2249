"""Repetition penalty: a text that says the same again and again loses reward."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from dunwu.rewards.scope import Whole
from dunwu.text.words import tokens
from dunwu.types import Problem

MAX_TOKEN = 32
_SYMBOL_OR_REST = regex.compile(r"[\p{L}\p{M}\p{N}_'’]++|[^\s\p{L}\p{M}\p{N}_'’]")


@dataclass(frozen=True, slots=True)
class Repetition:
    """`repetition_penalty` of the whole completion: from 0 down to ``-maximum``."""

    words: int = 20
    """n of the n-grams; the smaller, the more an honest text repeats, the more so the longer it is (`docs/rewards.md`)."""
    maximum: float = 1.0

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """The penalty."""
        return repetition_penalty(whole.text, self.words, self.maximum)


def repetition_penalty(text: str, n: int, maximum: float = 1.0) -> float:
    """``-maximum * (1 - different n-grams / n-grams)``; 0 for a text of less than ``n`` units.

    The sparse form of Demystifying Long CoT (arXiv 2502.03373, section 4), as open-r1's ``repetition_penalty_reward`` has it. There the
    penalty is put on the repeating tokens; a reward of the whole rollout can only hold its share.

    Departures: units are words of any script (`dunwu.text.words`) in lower case and, each by itself, other symbols, not what stands between
    spaces: Chinese has none, and a row of ``!!!!`` or of a thousand letters without a break is no single word.
    """
    assert n >= 1, f"{n}-grams"
    assert maximum >= 0, f"a maximum of {maximum}"
    units = _units(text)
    total = len(units) - n + 1
    if total < 1:
        return 0.0
    different = len({tuple(units[start : start + n]) for start in range(total)})
    return -maximum * (1 - different / total) if different < total else 0.0


def _units(text: str) -> list[str]:
    """Words and single symbols; a word beyond `MAX_TOKEN` letters in pieces of one letter."""
    units: list[str] = []
    for piece in _SYMBOL_OR_REST.findall(text.lower()):
        for token in tokens(piece) or [piece]:
            units.extend([token] if len(token) <= MAX_TOKEN else token)
    return units
