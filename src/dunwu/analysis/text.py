"""Prepares a model's text for display: invisible and reordering characters are spelled out, long text is cut.

The template does the escaping (autoescape); this module handles what escaping does not change.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from dunwu.models.reflection import reflection_spans

_NAME = re.compile(r"<(head|pre|svg|script)\b.*?</\1>|<[^>]*>|[^\s<>]{10,}", re.DOTALL)
_JOINT = re.compile(r"(?<=\w[._/])(?=[^\W\d_])")
LONGEST = 6000
"""Maximum length of a shown completion, in characters."""


@dataclass(frozen=True)
class Segment:
    """A piece of text; ``reflective`` is true for a reflective word."""

    text: str
    reflective: bool


@dataclass(frozen=True)
class Shown:
    """A completion as shown: its pieces, and the number of characters cut at the end."""

    segments: tuple[Segment, ...]
    cut: int


def visible(text: str) -> str:
    """``text`` with control, bidirectional and other invisible characters (except line ends and tabs) spelled out as ``[U+202E]``."""
    return "".join(character if _harmless(character) else f"[U+{ord(character):04X}]" for character in text.replace("\r\n", "\n"))


def unbroken(text: str) -> str:
    """``text`` with no line breaks inside percentages."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def breakable(page: str) -> str:
    """An HTML page whose long names may break behind their dots, underscores and slashes; elsewhere a browser would break them anywhere.

    Nothing changes for who copies them, nor inside tags and texts of models.
    """
    return _NAME.sub(lambda found: found[0] if found[0].startswith("<") else _JOINT.sub("<wbr>", found[0]), page)


def _harmless(character: str) -> bool:
    # Cc controls, Cf format characters (bidirectional overrides among them), Cs lone surrogates, Zl/Zp Unicode line ends
    return character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def shown(text: str, longest: int = LONGEST) -> Shown:
    """``text`` cut to ``longest`` characters and split at its reflective words."""
    kept = text[:longest]
    segments: list[Segment] = []
    at = 0
    for start, end in reflection_spans(kept):
        if start > at:
            segments.append(Segment(visible(kept[at:start]), False))
        segments.append(Segment(visible(kept[start:end]), True))
        at = end
    if at < len(kept):
        segments.append(Segment(visible(kept[at:]), False))
    return Shown(tuple(segments), len(text) - len(kept))
