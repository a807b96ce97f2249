"""Keeping benchmarks out of training data: by number multiset for problems with numbers, by 10-gram for text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from dunwu.tasks.splits import GAME24_HELD_OUT

Ngram = tuple[str, ...]

_WORD = re.compile(r"[一-鿿]|[^\W_一-鿿]+")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBER_LIST = re.compile(r"[0-9]+(?:\s*[,，、]\s*[0-9]+)+")


def shares_multiset(numbers: Iterable[int], multisets: Collection[tuple[int, ...]] = GAME24_HELD_OUT) -> bool:
    """Whether the multiset of ``numbers`` is one of ``multisets`` (sorted tuples)."""
    return tuple(sorted(numbers)) in multisets


def text_shares_multiset(text: str, multisets: Collection[tuple[int, ...]] = GAME24_HELD_OUT) -> bool:
    """Whether a list of numbers in ``text``, separated by commas as in a problem statement, is one of ``multisets``."""
    lists = (_NUMBER.findall(found) for found in _NUMBER_LIST.findall(text))
    return any(shares_multiset(map(int, digits), multisets) for digits in lists)


def words(text: str) -> list[str]:
    """Lower-case words and numbers without punctuation; a Chinese character is a word."""
    return _WORD.findall(text.lower())


def ngrams(text: str, n: int = 10) -> set[Ngram]:
    """All runs of ``n`` words. A shorter text counts as one run, so that a short benchmark question is found where it stands alone."""
    sequence = words(text)
    if len(sequence) < n:
        return {tuple(sequence)} if sequence else set()
    return {tuple(sequence[start : start + n]) for start in range(len(sequence) - n + 1)}
