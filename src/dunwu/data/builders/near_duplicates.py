"""Near-duplicate texts: candidates by MinHash (Broder 1997), confirmed by the exact Jaccard index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import regex
from rensa import RMinHash, RMinHashLSH  # type: ignore[import-untyped]

PERMUTATIONS, BANDS = 128, 32
"""4 permutations a band: a pair with a Jaccard index of 0.7 is missed once in 6,000 times, one of 0.5 once in 8."""
RUN = 3
_UNIT = regex.compile(r"\p{Han}|[\p{L}\p{N}--\p{Han}]+|[^\s\p{L}\p{N}]", regex.VERSION1)


def shingles(text: str) -> frozenset[str]:
    """All runs of three words, Chinese characters or symbols, in lower case; a shorter text is one run."""
    units = _UNIT.findall(text.lower())
    return frozenset(" ".join(units[start : start + RUN]) for start in range(max(1, len(units) - RUN + 1)))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared elements / all elements; 1 for two empty sets."""
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def first_of_their_kind(texts: Sequence[str], threshold: float) -> list[bool]:
    """True for each text whose similarity to all earlier kept texts is below ``threshold``."""
    index = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=BANDS)
    sets = [shingles(text) for text in texts]
    kept = []
    for place, each in enumerate(sets):
        sketch = _sketch(each)
        double = any(jaccard(each, sets[other]) >= threshold for other in index.query(sketch))
        kept.append(not double)
        if not double:
            index.insert(place, sketch)
    return kept


def most_different(texts: Sequence[str], number: int) -> list[int]:
    """Sorted indices of ``number`` texts: the first, then repeatedly the one least similar (by MinHash) to those chosen."""
    if len(texts) <= number:
        return list(range(len(texts)))
    sketches = [_sketch(shingles(text)) for text in texts]
    chosen = [0]
    nearest = [sketch.jaccard(sketches[0]) for sketch in sketches]
    while len(chosen) < number:
        place = min((p for p in range(len(texts)) if p not in chosen), key=lambda p: (nearest[p], p))
        chosen.append(place)
        nearest = [max(known, sketch.jaccard(sketches[place])) for known, sketch in zip(nearest, sketches, strict=True)]
    return sorted(chosen)


def _sketch(elements: frozenset[str]) -> Any:
    sketch = RMinHash(num_perm=PERMUTATIONS, seed=0)
    sketch.update(sorted(elements))
    return sketch
