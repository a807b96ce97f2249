"""Labels of the items of a list: ``Alice: 5, Bob: 7``, ``x = 1, y = 2``, ``(a) 1, (b) 2``, ``12 white, 8 black``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dunwu.verifiers.math.values import Collection, Relation, Scalar, Value, Words, is_name, name_of
from dunwu.verifiers.math.words import words_key

_VERBS = frozenset({"is", "are", "was", "has", "have", "had", "gets", "got", "get", "and", "=", ":"})
_SHORT = re.compile(
    r"\s*(?:(?:so|thus|hence|then|therefore)\b[\s,]*)?‹?\s*(?:"
    r"\(\s*(?P<bracketed>[A-Za-z]|[ivx]{2,5}|[0-9]{1,2})\s*\)(?:\s*[:.]|(?=\s*=|\s*[0-9]|\s+[-\\(A-Za-z]))"
    r"|(?P<plain>[A-Za-z]|[ivx]{2,5})(?:\s*\)|\s*:(?![A-Za-z]\Z|\s*[A-Za-z]\s*[=:])|\.(?=[\s=])|(?=\s+(?:is|equals)\b))"
    r"|(?P<number>[0-9]{1,2})(?:\s*\)|\.(?=[\s=])))"
    r"\s*›?\s*(?:=|(?:is|are|equals)\b)?\s*(?P<value>[^\s*/+^!,;|)=].*)",
    re.DOTALL | re.IGNORECASE,
)


def short_labels(items: Sequence[str]) -> list[tuple[str, str]]:
    """Label and value of ``A: 5``, ``(b) 7``, ``c is 9``, ``(ii) = 3``, ``2. 8``; empty if an item has none or two have the same.

    Numeric labels must be 1 to n, in any order: a single ``1. 5`` may be a decimal.
    """
    matches = [match for item in items if (match := _SHORT.fullmatch(item))]
    if len(matches) < max(len(items), 2):
        return []
    names = [match["bracketed"] or match["plain"] or match["number"] for match in matches]
    counted = sorted(int(name) for name in names if name.isdigit())
    if len(set(names)) < len(names) or counted != list(range(1, len(counted) + 1)):
        return []
    return [(name, match["value"]) for name, match in zip(names, matches, strict=True)]


def named_items(name: Value, value: Value) -> Value:
    """``(y,x) = (1,2)`` as ``y=1, x=2``; any other value unchanged."""
    if not (isinstance(name, Collection) and isinstance(value, Collection) and len(name.items) == len(value.items)):
        return value
    return Collection("list", tuple(Relation((one, item), ("=",)) for one, item in zip(name.items, value.items, strict=True)))


def labels(value: Collection) -> list[str]:
    """A label per item if all have different ones (names before or units after them), otherwise empty."""
    names = [_label(item) for item in value.items]
    return names if all(names) and len(set(names)) == len(names) else []


def partners(expected: list[str], present: list[str]) -> list[int]:
    """For each label the index of the only one that says the same, perhaps in more words; empty if they do not match one to one."""
    places: list[int] = []
    for label in expected:
        words = set(label.split())
        alike = [place for place, other in enumerate(present) if words <= set(other.split()) or words >= set(other.split())]
        exact = [place for place in alike if present[place] == label]
        if len(exact or alike) != 1:
            return []
        places += exact or alike
    return places if len(set(places)) == len(places) else []


def _label(item: Value) -> str:
    if isinstance(item, Relation) and item.signs == ("=",) and is_name(item.sides[0]):
        left = item.sides[0]
        if not isinstance(left, Words) or len(left.text) == 1:
            return name_of(left)
        return " ".join(word for word in words_key(left.text) if word not in _VERBS)
    return " ".join(words_key(item.unit)) if isinstance(item, Scalar) else ""


def by_letter(value: Collection) -> tuple[Value, ...]:
    """The items; those like ``y=2, x=1`` in the order of their letters."""
    names = labels(value)
    if names and all(len(name) == 1 for name in names):
        return tuple(item for _, item in sorted(zip(names, value.items, strict=True), key=lambda pair: pair[0]))
    return value.items
