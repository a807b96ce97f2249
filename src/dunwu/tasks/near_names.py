"""Names of columns and keys that are nearly those of Dunwu, where other names are allowed and ignored."""

from __future__ import annotations

import difflib
from functools import lru_cache

NEAR = 0.75
"""Share of characters in common from which on a name is taken for a misspelt one: `penalties` for `penalty`, not `rating_after` for
`rating_before`."""


@lru_cache(maxsize=256)
def near_name(given: frozenset[str], known: tuple[str, ...]) -> tuple[str, str] | None:
    """The first of the ``given`` names that is nearly a ``known`` one which is not given, and that; case and separators count nothing."""
    absent = {_plain(name): name for name in known if name not in given}
    for name in sorted(given - set(known)):
        if near := difflib.get_close_matches(_plain(name), absent, n=1, cutoff=NEAR):
            return name, absent[near[0]]
    return None


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
