"""Repetition penalty: a text that repeats itself loses reward."""

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
    """`repetition_penalty` of the whole completion, from 0 to ``-maximum``."""

    words: int = 20
    """n of the n-grams. Honest texts repeat small n-grams too, and more so the longer they are (`docs/rewards.md`)."""
    maximum: float = 1.0

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """The penalty."""
        return repetition_penalty(whole.text, self.words, self.maximum)


def repetition_penalty(text: str, n: int, maximum: float = 1.0) -> float:
    """``-maximum * (1 - different n-grams / n-grams)``; 0 for a text of fewer than ``n`` units.

    The sparse form of Demystifying Long CoT (arXiv 2502.03373, section 4), as in open-r1's ``repetition_penalty_reward``. The paper puts
    the penalty on the repeating tokens; a reward of the whole rollout can only be their share.

    Departures: units are lower-case words of any script (`dunwu.text.words`) and single other symbols, rather than what is between spaces:
    Chinese has no spaces, and ``!!!!`` or a thousand letters in a row are not one word.
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
    """Words and single symbols; a word longer than `MAX_TOKEN` is split into letters."""
    units: list[str] = []
    for piece in _SYMBOL_OR_REST.findall(text.lower()):
        for token in tokens(piece) or [piece]:
            units.extend([token] if len(token) <= MAX_TOKEN else token)
    return units
