"""Our own sentences in the user's language. English is the source; ``zh.json`` maps each sentence to its Chinese.

Only what Dunwu says is translated, at the edges where it is shown: never a file's content, a completion, or a value for programs.
An entry matches a whole line or sentence; of several, the one that accounts for most of it wins.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from dunwu.errors import ConfigError
from dunwu.text.catalogue import Entry, catalogue

Language = Literal["en", "zh"]

VARIABLE = "DUNWU_LANG"
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""As POSIX orders them: the first that is set decides."""
_TRADITIONAL = re.compile(r"zh[_-](tw|hk|mo|hant)", re.IGNORECASE)
_NAMED = re.compile(r"(en|zh)([_.@-].*)?", re.IGNORECASE)

LONGEST = 4000
"""Characters of a line; a longer one is not ours."""
DEEPEST = 30
MOST = 400
"""Parts of a line that are looked up, and how deep one is in another."""
_GAP = re.compile(r"( {2,})")
_CHINESE = re.compile(r"[\u4e00-\u9fff] [\u4e00-\u9fff]")
_MIXED = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")
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
    return "\n".join(_in_chinese(line, label, title) for line in text.split("\n"))


def width(text: str) -> int:
    """Columns of a terminal that ``text`` takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@cache
def _has_chinese(encoding: str) -> bool:
    try:
        return bool("顿悟：".encode(encoding))
    except (UnicodeError, LookupError):
        return False


@lru_cache(maxsize=1024)
def _in_chinese(text: str, label: bool, title: bool) -> str:
    """One line; the spaces around it stay."""
    line = text.strip(" ")
    if not line or len(line) > LONGEST or not (label or title or " " in line or line.endswith(":")):
        return text
    start = len(text) - len(text.lstrip(" "))
    reading = _Reading(title)
    return text[:start] + (reading.columns(line, label) if "  " in line else _text(reading.line(line), line)) + text[start + len(line) :]


def _text(found: Found | None, line: str) -> str:
    return found.text if found else line


class Found(NamedTuple):
    """A translation, and the number of characters of the source that entries account for."""

    text: str
    covered: int


class _Reading:
    """Translates one line. Remembers its parts, and gives up on what is left after `MOST` of them: a line of ours has fewer."""

    def __init__(self, title: bool) -> None:
        self._title = title
        self._known: dict[tuple[str, str], Found | None] = {}

    def columns(self, line: str, label: bool) -> str:
        """By an entry with the line's columns (two or more spaces apart), else each column as wide as before, else the whole line."""
        if found := self.line(line, "  "):
            return found.text
        pieces = _GAP.split(line)
        for place in range(0, len(pieces) if not self._title else 0, 2):
            source, target = pieces[place], _in_chinese(pieces[place], label, False)
            if target != source and place + 1 < len(pieces):
                pieces[place + 1] = " " * max(2, len(source) + len(pieces[place + 1]) - width(target))
            pieces[place] = target
        joined = "".join(pieces)
        return _text(self.line(line), line) if joined == line else joined

    def line(self, line: str, literal: str = "", depth: int = 0) -> Found | None:
        """A line whole, else by sentences; ``None`` if no part of it has an entry. ``literal``: by entries with this text."""
        key = (line, literal)
        if key not in self._known:
            self._known[key] = None
            if len(self._known) <= MOST and depth <= DEEPEST:
                found = filter(None, (self._whole(line, literal, depth), self._sentences(line, depth)))
                self._known[key] = max(found, key=lambda each: each.covered, default=None)
        return self._known[key]

    def _sentences(self, line: str, depth: int) -> Found | None:
        sentences = _SENTENCES.split(line)
        if len(sentences) == 1 or self._title:
            return None
        found = [self.line(sentence, "", depth + 1) for sentence in sentences]
        text = ""
        for source, target in zip(sentences, found, strict=True):
            # Chinese sentences need no space between them.
            text += (" " if text and not text.endswith(("。", "：", "！", "？")) else "") + _text(target, source)
        return Found(text, sum(target.covered for target in found if target)) if any(found) else None

    def _whole(self, line: str, literal: str, depth: int) -> Found | None:
        """The translation by the entry that accounts for most of the line."""
        fixed, patterns = catalogue()
        if line in fixed:
            return Found(fixed[line], len(line))
        able = (entry for entry in patterns if all(each in line for each in entry.literals) and entry.has(literal) and self._allows(entry))
        filled = [found for entry in able for texts in entry.matches(line) if (found := self._filled(entry, line, texts, depth))]
        if not filled and line[:1].isupper():  # a sentence that elsewhere stands inside another
            return self.line(line[:1].lower() + line[1:], literal, depth + 1)
        return max(filled, key=lambda found: found.covered, default=None)

    def _allows(self, entry: Entry) -> bool:
        return not self._title or "t" not in entry.kinds.values()

    def _filled(self, entry: Entry, line: str, texts: Mapping[str, str], depth: int) -> Found | None:
        """The target with its values. ``None`` if an entry without words, such as ``{a!t}: {b!t}``, has a part that is not ours."""
        values, covered = dict(texts), 0
        if entry.worded:  # an entry that only joins two parts accounts for nothing itself
            covered = len(line) - sum(len(texts[name]) for name, kind in entry.kinds.items() if kind != "n")
        for name, kind in entry.kinds.items():
            if kind in ("t", "w"):
                ours = kind == "w" or " " in texts[name]
                part = self.line(texts[name], "", depth + 1) if ours else None
                if part is None and not entry.worded:
                    return None
                values[name], covered = _text(part, texts[name]), covered + (part.covered if part else 0)
        return Found(_spaced(values[piece] if place % 2 else piece for place, piece in enumerate(entry.target)), covered)


def _spaced(pieces: Iterable[str]) -> str:
    """The pieces joined: a space where Chinese meets Latin letters or digits, none where it meets Chinese."""
    text = ""
    for piece in filter(None, pieces):
        if _CHINESE.fullmatch(text[-2:] + piece[0]):
            text = text[:-1]
        elif _CHINESE.fullmatch(text[-1:] + piece[:2]):
            piece = piece[1:]
        text += (" " if _MIXED.fullmatch(text[-1:] + piece[0]) else "") + piece
    return text
