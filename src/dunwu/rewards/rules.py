"""The rule reward of DeepSeek-R1-Zero: accuracy + format, equally weighted (arXiv 2501.12948, section 2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dunwu.models.thinking import parse_completion
from dunwu.types import Problem, Reward
from dunwu.verifiers.verify import verify


@dataclass(frozen=True, slots=True)
class RuleReward:
    """``accuracy_weight * accuracy + format_weight * format``, each part 0 or 1, on prefill + completion.

    Accuracy is the verifier's score of the parsed answer (0 without one, ``None`` when the verifier failed: then there is no total).
    Format is 1 for a well-formed completion, right or wrong. The prefill belongs to the text: where the template has written ``<think>``
    already, the completion alone would never be well-formed.
    """

    part_names: ClassVar[tuple[str, ...]] = ("accuracy", "format")

    accuracy_weight: float = 1.0
    format_weight: float = 1.0
    end_marker: str = ""
    """Text of the end token where completions keep it; see `parse_completion`."""

    def __call__(self, problem: Problem, text: str) -> Reward:
        """The reward of ``text`` (prefill + completion)."""
        parsed = parse_completion(text, self.end_marker)
        verdict = verify(problem, parsed.answer)
        well_formed = float(parsed.well_formed)
        total = None if verdict.score is None else self.accuracy_weight * verdict.score + self.format_weight * well_formed
        return Reward(total, {"accuracy": verdict.score, "format": well_formed}, verdict)
