"""Format rewards: 1 if a completion has the requested form, else 0, whatever its answer.

All see prefill + completion (see `dunwu.models.thinking`): if the template has already written ``<think>``, the completion alone would
never have the form.
"""

from __future__ import annotations

from dataclasses import dataclass

from dunwu.rewards.scope import Visible, Whole
from dunwu.text.boxes import find_boxes
from dunwu.text.words import tokens
from dunwu.types import Problem


@dataclass(frozen=True, slots=True)
class TagStructure:
    """``<think>...</think> <answer>...</answer>`` and nothing else, each tag once (DeepSeek-R1-Zero's template, arXiv 2501.12948).

    Of a problem whose answer is not in tags (`dunwu.text.answer_forms`): a readable final answer, with or without reasoning before it.
    """

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """1 for a well-formed completion; see `parse_completion`."""
        return float(whole.completion.well_formed)


@dataclass(frozen=True, slots=True)
class OneBox:
    r"""Exactly one ``\boxed{}`` that is not empty, after the reasoning. Boxes inside the reasoning do not count."""

    def __call__(self, problem: Problem, visible: Visible) -> float:
        """1 if there is exactly one such box."""
        boxes = find_boxes(visible.text)
        return float(len(boxes) == 1 and bool(boxes[0][2]))


@dataclass(frozen=True, slots=True)
class Summary:
    """The reasoning is followed by a summary: at least ``words`` words (`dunwu.text.words`) besides the answer."""

    words: int = 3

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """1 if there is a summary; 0 if not, or if the reasoning is never closed."""
        visible = whole.completion.visible
        boxes = find_boxes(visible)
        for start, end, _ in reversed(boxes):
            visible = f"{visible[:start]} {visible[end:]}"
        answer = "" if boxes else whole.completion.answer or ""
        return float(len(tokens(visible)) - len(tokens(answer)) >= self.words)


@dataclass(frozen=True, slots=True)
class Reply:
    """A visible reply after at most one chain of thought: a greeting needs no reasoning. Each tag occurs at most once, in order."""

    def __call__(self, problem: Problem, whole: Whole) -> float:
        """1 for such a completion, with or without answer tags."""
        thought, reply = ("<think>", "</think>"), ("<answer>", "</answer>")
        counts = [[whole.text.count(tag) for tag in pair] for pair in (thought, reply)]
        in_pairs = all(count in ([0, 0], [1, 1]) for count in counts)
        begins = counts[0] == [0, 0] or whole.text.lstrip().startswith("<think>")
        answered = counts[1] == [0, 0] or whole.completion.answer is not None
        return float(in_pairs and begins and answered and bool(whole.completion.visible))
