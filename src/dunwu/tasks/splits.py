"""Training and held-out splits, which depend only on a problem's numbers.

All tasks with numbers share them, so a number multiset in one task's training split is never in another's test split.
The published test set of the Game of 24, ranks 901-1000 (Tree of Thoughts, arXiv 2305.10601), is reserved:
no other problem, whatever its target, may have one of these multisets.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from dunwu.tasks.game24_puzzles import load_puzzles
from dunwu.types import Split

GAME24_TEST_RANKS = range(901, 1001)

GAME24_HELD_OUT: frozenset[tuple[int, ...]] = frozenset(
    tuple(sorted(puzzle.numbers)) for puzzle in load_puzzles() if puzzle.rank in GAME24_TEST_RANKS
)
"""The reserved number multisets, each as a sorted tuple."""


def is_reserved(numbers: Iterable[int]) -> bool:
    """True if the multiset of ``numbers`` is reserved for the test set of the Game of 24."""
    return tuple(sorted(numbers)) in GAME24_HELD_OUT


def split_of(numbers: Iterable[int]) -> Split:
    """The split of a number multiset: about 80 % train, 10 % validation, 10 % test; reserved multisets are test."""
    return _split_of_multiset(tuple(sorted(numbers)))


def split_of_text(text: str) -> Split:
    """The split of a problem by its text, in the same proportions."""
    bucket = int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]) % 10
    if bucket < 8:
        return "train"
    return "validation" if bucket == 8 else "test"


@lru_cache(maxsize=100_000)
def _split_of_multiset(multiset: tuple[int, ...]) -> Split:
    if multiset in GAME24_HELD_OUT:
        return "test"
    return split_of_text(",".join(map(str, multiset)))
