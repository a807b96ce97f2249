"""Our own sentences in the user's language. English is the source; ``zh.json`` maps each sentence to its Chinese.

Only what Dunwu says is translated, at the edges where it is shown: never a file's content, a completion, or a value for programs.
In a catalogue's key ``{name}`` stands for any text, ``{name!n}`` for a number, and ``{name!t}`` for text that is itself translated; a
brace of the sentence is doubled. An entry matches a whole line or sentence, and the one with the most literal characters wins.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

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
_PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)(?:!([nt]))?\}(?!\})")
_NUMBER = re.compile(r"[-+−±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
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


def translate(text: str, *, encoding: str | None = "utf-8", label: bool = False) -> str:
    """``text`` in the user's language: line by line, each whole, else by its columns or sentences; what has no entry stays.

    A single word counts as a name of the user's and stays, unless it is a ``label`` of ours (a heading, the name of a fact).
    Nothing changes if ``encoding`` lacks Chinese.
    """
    return _in_chinese(text, label) if language() == "zh" and _has_chinese(encoding or "utf-8") else text


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
    found = _columns(line, label) if "  " in line else _line(line)
    return text[:start] + (found or line) + text[start + len(line) :]


def _columns(line: str, label: bool) -> str | None:
    """A line whose columns are two or more spaces apart: an entry with such columns, else each column as wide as before, else the line."""
    if found := _whole(line, 0, "  "):
        return found
    pieces = _GAP.split(line)
    for place in range(0, len(pieces), 2):
        source, target = pieces[place], _in_chinese(pieces[place], label)
        if target != source and place + 1 < len(pieces):
            pieces[place + 1] = " " * max(2, len(source) + len(pieces[place + 1]) - width(target))
        pieces[place] = target
    joined = "".join(pieces)
    return _line(line) if joined == line else joined


@lru_cache(maxsize=1024)
def _line(line: str, depth: int = 0) -> str | None:
    """The Chinese of a line; ``None`` if no part of it has an entry."""
    whole = _whole(line, depth)
    if whole is not None or not _SENTENCES.search(line):
        return whole
    sentences = _SENTENCES.split(line)
    translated = [_whole(sentence, depth) for sentence in sentences]
    return _joined(sentences, translated) if any(translated) else None


def _joined(sentences: list[str], translated: list[str | None]) -> str:
    """Sentences in order; Chinese ones need no space between them."""
    text = ""
    for source, target in zip(sentences, translated, strict=True):
        text += (" " if text and not text.endswith(("。", "：", "！", "？")) else "") + (target or source)
    return text


def _whole(line: str, depth: int, literal: str = "") -> str | None:
    """The Chinese of a line by one entry; ``literal``: by one with this text outside its placeholders."""
    fixed, patterns = _catalogue()
    if line in fixed:
        return fixed[line]
    for entry in patterns if depth < _DEEPEST else ():
        found = entry.match(line) if not literal or any(literal in each for each in entry.literals) else None
        if found is not None and (target := _filled(entry, found, depth)) is not None:
            return target
    return None


def _filled(entry: Entry, found: Mapping[str, str], depth: int) -> str | None:
    """The target with its values. ``None`` if an entry without words, such as ``{a!t}: {b!t}``, has a part that is not ours."""
    values = dict(found)
    for name in entry.marked:
        value = _line(found[name], depth + 1)
        if value is None and not entry.worded:
            return None
        values[name] = found[name] if value is None else value
    return "".join(values[piece] if place % 2 else piece for place, piece in enumerate(entry.target))


@dataclass(frozen=True, slots=True)
class Entry:
    """A sentence with placeholders: the texts around them, their names and kinds, and the target as alternating text and name."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    target: tuple[str, ...]

    @property
    def marked(self) -> Iterator[str]:
        """Names of the placeholders that are translated."""
        return (name for name, kind in zip(self.names, self.kinds, strict=True) if kind == "t")

    @property
    def worded(self) -> bool:
        """True if a literal has a letter."""
        return any(map(str.isalpha, "".join(self.literals)))

    def match(self, line: str) -> Mapping[str, str] | None:
        """The placeholders' texts if the line matches. Each text is the shortest possible, without backtracking, so in linear time."""
        first, *middle, last = self.literals
        at, end = len(first), len(line) - len(last)
        if end < at or not line.startswith(first) or not line.endswith(last):
            return None
        texts = []
        for literal in middle:
            place = line.find(literal, at, end)
            if place < 0:
                return None
            texts.append(line[at:place])
            at = place + len(literal)
        texts.append(line[at:end])
        if any(kind == "n" and not _NUMBER.fullmatch(text) for kind, text in zip(self.kinds, texts, strict=True)):
            return None
        return dict(zip(self.names, texts, strict=True))


@cache
def _catalogue() -> tuple[Mapping[str, str], tuple[Entry, ...]]:
    """Entries without placeholders, and the others with the most literal characters first."""
    pairs = read_catalogue()
    entries = [(key, read_entry(key, target)) for key, target in pairs.items()]
    fixed = {entry.literals[0]: pairs[key].replace("{{", "{").replace("}}", "}") for key, entry in entries if not entry.names}
    patterns = (entry for _, entry in entries if entry.names)
    return fixed, tuple(sorted(patterns, key=lambda entry: -sum(map(len, entry.literals))))


def read_catalogue() -> dict[str, str]:
    """English to Chinese."""
    pairs: dict[str, str] = json.loads(Path(__file__).with_name("zh.json").read_text(encoding="utf-8"))
    return pairs


def read_entry(key: str, target: str) -> Entry:
    """A pair of the catalogue, parsed."""
    # split gives text, name, kind, text, name, kind, ..., text
    pieces, target_pieces = _PLACEHOLDER.split(key), _PLACEHOLDER.split(target)
    literals = tuple(piece.replace("{{", "{").replace("}}", "}") for piece in pieces[::3])
    filled = tuple(piece.replace("{{", "{").replace("}}", "}") for place, piece in enumerate(target_pieces) if place % 3 != 2)
    return Entry(literals, tuple(pieces[1::3]), tuple(kind or "" for kind in pieces[2::3]), filled)
