"""Our own sentences in the user's language. English is the source; ``zh.json`` maps each sentence to its Chinese.

Only what Dunwu says is translated, at the edges where it is shown: never a file's content, a completion, or a value for programs.
In a catalogue's key ``{name}`` stands for any text, ``{name!n}`` for a number, ``{name!t}`` for text that is itself translated unless it
is a single word, and ``{name!w}`` for text or a word of ours; a brace of the sentence is doubled. An entry matches a whole line or
sentence; of several, the one that accounts for most of it wins.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from dunwu.errors import ConfigError

Language = Literal["en", "zh"]

VARIABLE = "DUNWU_LANG"
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""As POSIX orders them: the first that is set decides."""
_TRADITIONAL = re.compile(r"zh[_-](tw|hk|mo|hant)", re.IGNORECASE)
_NAMED = re.compile(r"(en|zh)([_.@-].*)?", re.IGNORECASE)

LONGEST = 4000
"""Characters of a line; a longer one is not ours."""
_DEEPEST = 8
_SPLITS = 6
_PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)(?:!([ntw]))?\}(?!\})")
_NUMBER = r"[-+−±]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?: ?%)?"
_GAP = re.compile(r"( {2,})")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=\S)")


def check_language() -> None:
    """Raise ``ConfigError`` if the variable names a language that Dunwu does not speak."""
    named = os.environ.get(VARIABLE, "")
    if named and not _NAMED.fullmatch(named):
        raise ConfigError(f"{VARIABLE}={named!r}: Dunwu speaks en and zh; set one of them or unset the variable")


def language() -> Language:
    """The language of the variable, else of the locale; English for any other, and for Traditional Chinese, which has no catalogue."""
    if named := os.environ.get(VARIABLE, ""):
        return "zh" if _NAMED.fullmatch(named) and named[:2].lower() == "zh" else "en"
    locale = next((value for name in _LOCALE if (value := os.environ.get(name))), "")
    return "zh" if re.match(r"zh([_.@-]|$)", locale, re.IGNORECASE) and not _TRADITIONAL.match(locale) else "en"


def translate(text: str, *, encoding: str | None = "utf-8", label: bool = False, title: bool = False) -> str:
    """``text`` in the user's language: line by line, each whole, else by its columns or sentences; what has no entry stays.

    A single word counts as a name of the user's and stays, unless it is a ``label`` of ours (a heading, the name of a fact). A ``title``
    may quote any text, such as a question: it is translated whole, with its words, or not at all.
    Nothing changes if ``encoding`` lacks Chinese.
    """
    if language() != "zh" or not _has_chinese(encoding or "utf-8"):
        return text
    if title:
        found = _whole(text, 0, title=True)
        return found.text if found else text
    return _in_chinese(text, label)


def width(text: str) -> int:
    """Columns of a terminal that ``text`` takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@cache
def _has_chinese(encoding: str) -> bool:
    try:
        return bool("顿悟：".encode(encoding))
    except (UnicodeError, LookupError):
        return False


def _in_chinese(text: str, label: bool) -> str:
    if "\n" in text:
        return "\n".join(_in_chinese(line, label) for line in text.split("\n"))
    line = text.strip(" ")
    if not line or len(line) > LONGEST or not (label or " " in line or line.endswith(":")):
        return text
    start = len(text) - len(text.lstrip(" "))
    return text[:start] + _columns(line, label) + text[start + len(line) :]


def _columns(line: str, label: bool) -> str:
    """By an entry with the line's columns (two or more spaces apart), else each column by itself and as wide as before, else the line."""
    if found := _line(line, 0, "  " if "  " in line else ""):
        return found.text
    if "  " not in line:
        return line
    pieces = _GAP.split(line)
    for place in range(0, len(pieces), 2):
        source, target = pieces[place], _in_chinese(pieces[place], label)
        if target != source and place + 1 < len(pieces):
            pieces[place + 1] = " " * max(2, len(source) + len(pieces[place + 1]) - width(target))
        pieces[place] = target
    if (joined := "".join(pieces)) != line:
        return joined
    found = _line(line)
    return found.text if found else line


@lru_cache(maxsize=4096)
def _line(line: str, depth: int = 0, literal: str = "") -> Found | None:
    """A line translated whole, else by sentences; ``None`` if no part of it has an entry."""
    whole = _whole(line, depth, literal)
    if whole or not _SENTENCES.search(line):
        return whole
    sentences = _SENTENCES.split(line)
    found = [_whole(sentence, depth) for sentence in sentences]
    if not any(found):
        return None
    text = ""
    for source, target in zip(sentences, found, strict=True):
        # Chinese sentences need no space between them.
        text += (" " if text and not text.endswith(("。", "：", "！", "？")) else "") + (target.text if target else source)
    return Found(text, sum(target.covered for target in found if target))


def _whole(line: str, depth: int, literal: str = "", title: bool = False) -> Found | None:
    """The translation by the entry that covers most of the line; ``literal``: only entries with this text; ``title``: only words in it."""
    fixed, patterns = _catalogue()
    if line in fixed:
        return Found(fixed[line], len(line))
    best = None
    for entry in patterns if depth < _DEEPEST else ():
        if all(each in line for each in entry.literals) and any(literal in each for each in entry.literals):
            for found in entry.matches(line):
                filled = _filled(entry, line, found, depth, title)
                if filled and (best is None or filled.covered > best.covered):
                    best = filled
    return best


def _filled(entry: Entry, line: str, found: Mapping[str, str], depth: int, title: bool) -> Found | None:
    """The target with its values. ``None`` if an entry without words, such as ``{a!t}: {b!t}``, has a part that is not ours."""
    values, covered = dict(found), len(line) - sum(len(found[name]) for name, kind in entry.kinds.items() if kind != "n")
    for name, kind in entry.kinds.items():
        if kind not in ("t", "w"):
            continue
        part = _line(found[name], depth + 1) if kind == "w" or (" " in found[name] and not title) else None
        if part is None and not entry.worded:
            return None
        if part is not None:
            values[name], covered = part.text, covered + part.covered
    return Found("".join(values[piece] if place % 2 else piece for place, piece in enumerate(entry.target)), covered)


class Found(NamedTuple):
    """A translation, and the number of characters of the source that entries account for."""

    text: str
    covered: int


@dataclass(frozen=True)
class Entry:
    """A sentence with placeholders: the texts around them, their kinds by name, and the target as alternating text and name."""

    literals: tuple[str, ...]
    kinds: Mapping[str, str]
    target: tuple[str, ...]

    @cached_property
    def worded(self) -> bool:
        """True if a literal has a letter."""
        return any(map(str.isalpha, "".join(self.literals)))

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
def _catalogue() -> tuple[Mapping[str, str], tuple[Entry, ...]]:
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
    pieces, filled = _PLACEHOLDER.split(key), _PLACEHOLDER.split(target)
    kinds = {name: kind or "" for name, kind in zip(pieces[1::3], pieces[2::3], strict=True)}
    return Entry(tuple(map(_unescaped, pieces[::3])), kinds, tuple(_unescaped(piece) for i, piece in enumerate(filled) if i % 3 != 2))


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
