"""Names of columns and keys that are nearly those of Dunwu, where other names are allowed and ignored."""

from __future__ import annotations

import re
from functools import lru_cache

LONG = 8
"""Letters from which on two slips make a misspelt name, else one."""
_ADDED = frozenset({"id", "no", "number", "index", "time", "minutes", "seconds", "min", "sec", "ms", "s"})
"""Words behind a name that say in what form it is: `sample_id` for `sample`, `penalty_minutes` for `penalty`."""


@lru_cache(maxsize=256)
def near_name(given: frozenset[str], known: tuple[str, ...]) -> tuple[str, str] | None:
    """The first of the ``given`` names that is nearly a ``known`` one which is not given, and that; case and separators count nothing."""
    absent = [name for name in known if name not in given]
    for name in sorted(given - set(known)):
        forms = {_plain(name), _plain(_without_form(name))}
        if near := next((right for right in absent if any(is_misspelt(form, _plain(right)) for form in forms)), None):
            return name, near
    return None


def _without_form(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).split("_")
    return "_".join(words[:-1] if words[-1].casefold() in _ADDED else words)


def is_misspelt(name: str, right: str) -> bool:
    """True if a name is the right one but for a slip or two: a letter left out, added, replaced, or two that changed places.

    Another first letter or another ending makes another word: `bank` is not `rank`, nor `checked` `checker`.
    """
    most = 2 if len(right) >= LONG else 1
    if name == right:
        return True
    if name[:1] != right[:1] or name[:-1] == right[:-1] or abs(len(name) - len(right)) > most:
        return False
    return slips(name, right) <= most


def slips(one: str, other: str) -> int:
    """The distance of Damerau and Levenshtein without edits inside a swap: letters left out, added, replaced, and neighbours swapped."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def _plain(name: str) -> str:
    """Lower case, letters and digits alone, without the ending of a plural."""
    plain = "".join(character for character in name.casefold() if character.isalnum())
    return plain[:-3] + "y" if plain.endswith("ies") else plain.removesuffix("s")
