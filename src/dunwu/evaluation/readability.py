"""Can a person read it? The form of a completion, whether it says more than the bare answer, repetition, and the language of its thoughts.

DeepSeek-R1-Zero's chains of thought mix languages and are hard to read (arXiv 2501.12948, section 2.2.4); cold-start data is there to fix
that. The paper gives no measure of readability: these are ours, by the same rules as the rewards and filters. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from dunwu.models.thinking import TAGS
from dunwu.rewards.form import Summary
from dunwu.rewards.language import LanguageConsistency
from dunwu.rewards.repetition import repetition_penalty
from dunwu.rewards.scope import Reasoning, Whole, look_at, narrow
from dunwu.types import Problem

REPEATED_WORDS = 20
"""n of the n-grams whose repetition is measured."""
MIXED_BELOW = 0.9
"""A chain of thought with a smaller share of its words in the language of the prompt is mixed."""


@dataclass(frozen=True, slots=True)
class Readability:
    """Of one completion. ``language`` is the share of the thought's words in the prompt's language, ``None`` where it has no word."""

    well_formed: bool
    summary: bool
    repetition: float
    """Share of the 20-grams that stood in the completion before, from 0 to 1."""
    language: float | None


def readability(problem: Problem, text: str, end_marker: str = "") -> Readability:
    """Of prefill + completion; ``end_marker`` as for `parse_completion`."""
    whole = look_at(text, end_marker)
    return Readability(
        well_formed=well_formed(whole),
        summary=bool(Summary()(problem, whole)),
        repetition=-repetition_penalty(whole.text, REPEATED_WORDS),
        language=LanguageConsistency()(problem, narrow(whole, Reasoning)),
    )


def well_formed(whole: Whole) -> bool:
    """One chain of thought at the beginning, closed, and after it the answer in its tags or text without any tag.

    Wider than the format reward of R1-Zero, so that one rule serves all checkpoints: after the cold start a summary follows the thought.
    """
    if whole.completion.well_formed:
        return True
    counts = [whole.text.count(tag) for tag in TAGS]
    return counts == [1, 1, 0, 0] and whole.text.lstrip().startswith("<think>") and bool(whole.completion.visible)
