"""Format rewards: has a completion the form that was asked for? Each part is 1 or 0, whatever the answer is worth.

All look at prefill + completion (see `dunwu.models.thinking`): where the template has written ``<think>`` already, the completion alone
would never have the form.
"""

from __future__ import annotations

from dataclasses import dataclass

from dunwu.rewards.scope import Visible, Whole
from dunwu.text.boxes import find_boxes
from dunwu.text.words import tokens
from dunwu.types import Problem


@dataclass(frozen=True, slots=True)
class TagStructure:
    """``<think>...</think> <answer>...</answer>`` and nothing else, each tag once (DeepSeek-R1-Zero's template, arXiv 2501.12948)."""

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """1 for a well-formed completion; see `parse_completion`."""
        return float(whole.completion.well_formed)


@dataclass(frozen=True, slots=True)
class OneBox:
    r"""The answer in a box: exactly one ``\boxed{}``, with something in it, after the reasoning. Boxes inside the reasoning are free."""

    def __call__(self, problem: Problem, visible: Visible) -> float:
        """1 for exactly one box that is not empty."""
        boxes = find_boxes(visible.text)
        return float(len(boxes) == 1 and bool(boxes[0][2]))


@dataclass(frozen=True, slots=True)
class Summary:
    """After the reasoning stands something to read, not the bare answer: at least ``words`` words (`dunwu.text.words`) besides it."""

    words: int = 3

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """1 where there is a summary; 0 also where the reasoning is never closed."""
        visible = whole.completion.visible
        boxes = find_boxes(visible)
        for start, end, _ in reversed(boxes):
            visible = f"{visible[:start]} {visible[end:]}"
        answer = "" if boxes else whole.completion.answer or ""
        return float(len(tokens(visible)) - len(tokens(answer)) >= self.words)


@dataclass(frozen=True, slots=True)
class Reply:
    """Something to read, and before it one chain of thought or none: a greeting needs no reasoning. Each tag at most once, in order."""

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """1 for such a completion, answer tags or not."""
        thought, reply = ("<think>", "</think>"), ("<answer>", "</answer>")
        counts = [[whole.text.count(tag) for tag in pair] for pair in (thought, reply)]
        in_pairs = all(count in ([0, 0], [1, 1]) for count in counts)
        begins = counts[0] == [0, 0] or whole.text.lstrip().startswith("<think>")
        answered = counts[1] == [0, 0] or whole.completion.answer is not None
        return float(in_pairs and begins and answered and bool(whole.completion.visible))
