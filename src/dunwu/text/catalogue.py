"""The catalogue of translations: ``zh.json``, English to Chinese, and how an entry matches a sentence.

In a key ``{name}`` stands for any text, ``{name!n}`` for a number, ``{name!t}`` for text that is itself translated unless it is a single
word, and ``{name!w}`` for text or a word of ours; a brace of the sentence is doubled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)(?:!([ntw]))?\}(?!\})")
_NUMBER = r"[-+−±]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?: ?%)?"
_SPLITS = 6


@dataclass(frozen=True)
class Entry:
    """A sentence with placeholders: the texts around them, their kinds by name, and the target as alternating text and name."""

    literals: tuple[str, ...]
    kinds: Mapping[str, str]
    target: tuple[str, ...]

    @cached_property
    def worded(self) -> bool:
        """True if the literals have words, beside those that join parts."""
        return bool(set(re.findall(r"[^\W\d_]+", " ".join(self.literals))) - {"and", "or"})

    def has(self, text: str) -> bool:
        """True if a literal contains ``text``."""
        return any(text in literal for literal in self.literals)

    @cached_property
    def segments(self) -> tuple[re.Pattern[str], ...]:
        """What stands between the placeholders for any text: literals and numbers."""
        patterns = [re.escape(self.literals[0])]
        for literal, (name, kind) in zip(self.literals[1:], self.kinds.items(), strict=True):
            if kind == "n":
                patterns[-1] += f"(?P<{name}>{_NUMBER}){re.escape(literal)}"
            else:
                patterns.append(re.escape(literal))
        return tuple(map(re.compile, [*patterns[:-1], patterns[-1] + r"\Z"]))

    def matches(self, line: str) -> Iterator[Mapping[str, str]]:
        """The placeholders' texts if the line matches: each the shortest possible, without backtracking, so in linear time.

        An entry without words splits a list, whose first separator may be inside an item: it tries `_SPLITS` of them.
        """
        first, *others = self.segments
        start = first.match(line)
        if start is None:
            return
        at = start.end()
        for _ in range(_SPLITS):
            places = _follow(others, line, at)
            if places is None:
                return
            ends = [start, *places]
            texts = (line[one.end() : other.start()] for one, other in pairwise(ends))
            numbers = {name: text for each in ends for name, text in each.groupdict().items()}
            yield {name: numbers[name] if kind == "n" else next(texts) for name, kind in self.kinds.items()}
            if self.worded or len(others) != 2:
                return
            at = places[0].start() + 1


def _follow(segments: list[re.Pattern[str]], line: str, at: int) -> list[re.Match[str]] | None:
    """Where the segments are, each the first after the one before; ``None`` if one is missing."""
    places = []
    for segment in segments:
        if (place := segment.search(line, at)) is None:
            return None
        places.append(place)
        at = place.end()
    return places


@cache
def catalogue() -> tuple[Mapping[str, str], tuple[Entry, ...]]:
    """Entries without placeholders, and the others with the most literal characters first."""
    entries = [read_entry(key, target) for key, target in read_catalogue().items()]
    fixed = {entry.literals[0]: entry.target[0] for entry in entries if not entry.kinds}
    patterns = (entry for entry in entries if entry.kinds)
    return fixed, tuple(sorted(patterns, key=lambda entry: -sum(map(len, entry.literals))))


def read_catalogue() -> dict[str, str]:
    """English to Chinese."""
    pairs: dict[str, str] = json.loads(Path(__file__).with_name("zh.json").read_text(encoding="utf-8"))
    return pairs


def read_entry(key: str, target: str) -> Entry:
    """A pair of the catalogue, parsed."""
    # split gives text, name, kind, text, name, kind, ..., text
    pieces, filled = PLACEHOLDER.split(key), PLACEHOLDER.split(target)
    kinds = {name: kind or "" for name, kind in zip(pieces[1::3], pieces[2::3], strict=True)}
    return Entry(tuple(map(_unescaped, pieces[::3])), kinds, tuple(_unescaped(piece) for i, piece in enumerate(filled) if i % 3 != 2))


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
