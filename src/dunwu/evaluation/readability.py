"""Readability of a completion: its form, whether it summarises the reasoning, repetition, and the language of the reasoning.

DeepSeek-R1-Zero's reasoning mixes languages and is hard to read (arXiv 2501.12948, section 2.2.4); cold-start data is meant to fix that.
The paper gives no measure of readability: these are ours, with the same rules as the rewards and filters. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from dunwu.models.thinking import TAGS
from dunwu.rewards.form import Summary
from dunwu.rewards.language import LanguageConsistency
from dunwu.rewards.repetition import repetition_penalty
from dunwu.rewards.scope import Reasoning, Whole, look_at, narrow
from dunwu.text.answer_forms import form_of
from dunwu.types import Problem

REPEATED_WORDS = 20
"""The n of the n-grams whose repetition is measured."""
MIXED_BELOW = 0.9
"""Reasoning with a smaller share of words in the prompt's language counts as mixed."""


@dataclass(frozen=True, slots=True)
class Readability:
    """The readability of one completion. ``language``: share of reasoning words in the prompt's language, ``None`` without words."""

    well_formed: bool
    summary: bool
    repetition: float
    """Share of the 20-grams that occurred earlier in the completion, from 0 to 1."""
    language: float | None


def readability(problem: Problem, text: str, end_marker: str = "") -> Readability:
    """The readability of prefill + completion; ``end_marker`` as for `parse_completion`."""
    whole = look_at(text, end_marker, form_of(problem).name)
    return Readability(
        well_formed=well_formed(whole),
        summary=bool(Summary()(problem, whole)),
        repetition=-repetition_penalty(whole.text, REPEATED_WORDS),
        language=LanguageConsistency()(problem, narrow(whole, Reasoning)),
    )


def well_formed(whole: Whole) -> bool:
    """True for one closed reasoning part at the start, followed by the answer in its tags or by text without any tag.

    This is wider than R1-Zero's format reward, so that one rule fits all checkpoints: after the cold start a summary follows the reasoning.
    """
    if whole.completion.well_formed:
        return True
    counts = [whole.text.count(tag) for tag in TAGS]
    return counts == [1, 1, 0, 0] and whole.text.lstrip().startswith("<think>") and bool(whole.completion.visible)
