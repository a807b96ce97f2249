"""Self-BLEU: how alike the completions of a group are.

Zhu et al. (Texygen, arXiv 1802.01886): the mean over the texts of a group of the BLEU of each against all others. BLEU is Papineni et al.'s
(ACL 2002), over n-grams of up to N = 4 words, with uniform weights::

    BLEU = min(1, exp(1 - r / c)) exp(1/N sum_n log p_n)

with the text's length c, the length r of the reference that is closest to it (of two, the shorter), and p_n the share of its n-grams that
occur in some reference, each counted at most as often as in the reference that has it most often. Departures: where no n-gram occurs, p_n
is 0.1 over their number (Chen and Cherry 2014, method 1, as in Texygen), and a text of fewer than N words has as many orders as words.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import regex

from dunwu.text.words import TOKEN

_WORD = regex.compile(rf"{TOKEN.pattern}|\S", regex.VERSION1)
MOST_WORDS = 4096
"""Words of a completion that count."""


def words(text: str) -> list[str]:
    """Words, numbers and single symbols, in small letters."""
    return [str(found.group()) for found, _ in zip(_WORD.finditer(text.casefold()), range(MOST_WORDS), strict=False)]


ORDERS = 4
_NOTHING = 0.1


def self_bleu(texts: Sequence[Sequence[str]]) -> float | None:
    """The mean BLEU of each text (its words) against the others; texts without words are left out, ``None`` with fewer than two."""
    known = [text for text in texts if text]
    if len(known) < 2:
        return None
    logs = [list[float]() for _ in known]
    for order in range(1, ORDERS + 1):
        counts = [_ngrams(text, order) for text in known]
        most = _two_most(counts)
        for own, found in zip(logs, counts, strict=True):
            if found:
                own.append(math.log(_precision(found, most)))
    lengths = sorted(map(len, known))
    return fmean(math.exp(fmean(own)) * _brevity(len(text), lengths) for own, text in zip(logs, known, strict=True))


def _ngrams(text: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(text[i : i + order]) for i in range(len(text) - order + 1))


def _two_most(counts: Sequence[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Of each n-gram the two highest counts in a text: without the text that has the highest, the second counts."""
    most: dict[tuple[str, ...], tuple[int, int]] = {}
    for found in counts:
        for ngram, count in found.items():
            first, second = most.get(ngram, (0, 0))
            most[ngram] = (count, first) if count > first else (first, max(second, count))
    return most


def _precision(found: Counter[tuple[str, ...]], most: dict[tuple[str, ...], tuple[int, int]]) -> float:
    matches = 0
    for ngram, count in found.items():
        first, second = most[ngram]
        matches += min(count, second if count == first else first)
    return (matches or _NOTHING) / found.total()


def _brevity(length: int, lengths: Sequence[int]) -> float:
    """``lengths`` of all texts, sorted; one of them is the text's own."""
    at = bisect_left(lengths, length)
    others = [*lengths[max(0, at - 1) : at], *lengths[at + 1 : at + 2]]
    closest = min(others, key=lambda other: (abs(other - length), other))
    return min(1.0, math.exp(1 - closest / length))
