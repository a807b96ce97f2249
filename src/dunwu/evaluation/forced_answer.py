r"""How a thought is closed, so that the model must answer at once. Imports no torch.

The answer opens as the model itself opens it: in the stored completions the more frequent of ``<answer>`` and ``\boxed{``, with the white
space that most often stands between ``</think>`` and it. Where no completion has either, the form of the answer decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dunwu.types import AnswerForm, Language

_TAG, _BOX = "<answer>", r"\boxed{"
_GAP = re.compile(r"</think>(\s{0,4})<answer>")


@dataclass(frozen=True, slots=True)
class Closing:
    """``gap``: what stands between ``</think>`` and ``opening``. ``opening`` is empty for an answer that is a number in a sentence."""

    gap: str
    opening: str

    def text(self, prefill: str, before: str, language: Language) -> str:
        """What closes a thought that goes on in ``prefill + before``; without think tags only the answer opens."""
        said = prefill + before
        opening = self.opening or {"en": "The answer is ", "zh": "答案是"}.get(language, "")
        return (f"</think>{self.gap}" if "<think>" in said and "</think>" not in said else "\n\n") + opening


def closing_of(completions: Sequence[str], form: AnswerForm) -> Closing:
    """How these completions close their thought."""
    tags, boxes = (sum(opening in text for text in completions) for opening in (_TAG, _BOX))
    if tags or boxes:
        opening = _TAG if tags >= boxes else _BOX
    else:
        opening = {"boxed": _BOX, "boxed-or-last-number": _BOX, "####": "#### ", "last-number": ""}.get(form, _TAG)
    gaps = Counter(match[1] for text in completions if (match := _GAP.search(text)))
    usual = max(gaps, key=lambda gap: (gaps[gap], gap)) if gaps else ""
    return Closing(usual if opening == _TAG else "\n\n", opening)
