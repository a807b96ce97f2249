"""Reflective words: how often a completion pauses, doubts and checks.

The English list is the paper's (DeepSeek-R1 in Nature, supplement on the self-evolution of R1-Zero): wait, mistake, however, but, retry,
error, verify, wrong, evaluate, check. The Chinese list is **ours**, counterparts of these words; the paper counts English only.
Words are counted, not meanings: "but" may be an ordinary conjunction, and inflected forms ("checked", "waiting") do not count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from dunwu.types import Language

ENGLISH = ("wait", "mistake", "however", "but", "retry", "error", "verify", "wrong", "evaluate", "check")
CHINESE = ("等一下", "等等", "不对", "错误", "错了", "然而", "不过", "但是", "重试", "再试", "重新", "验证", "评估", "检查")

_ENGLISH = r"(?<![A-Za-z0-9_])(?:{})(?![A-Za-z0-9_])".format("|".join(ENGLISH))
_CHINESE = "|".join(sorted(CHINESE, key=lambda word: (-len(word), word)))
# English boundaries are ASCII: "wait" in "我wait一下" is a word, although Python counts Chinese characters as word characters.
_PATTERNS = {
    "en": re.compile(_ENGLISH, re.IGNORECASE | re.ASCII),
    "zh": re.compile(_CHINESE),
    None: re.compile(f"{_ENGLISH}|{_CHINESE}", re.IGNORECASE | re.ASCII),
}


def reflection_spans(text: str, language: Language | None = None) -> Iterator[tuple[int, int]]:
    """Start and end of each reflective word, left to right, not overlapping; of several words with the same start, the longest."""
    for match in _PATTERNS[language].finditer(text):
        yield match.span()


def reflection_counts(text: str, language: Language | None = None) -> dict[str, int]:
    """How often each reflective word occurs in ``text``, without zeros. ``language=None`` counts both lists."""
    return dict(Counter(text[start:end].lower() for start, end in reflection_spans(text, language)))


def count_reflections(text: str, language: Language | None = None) -> int:
    """Number of reflective words in ``text``."""
    return sum(1 for _ in reflection_spans(text, language))
