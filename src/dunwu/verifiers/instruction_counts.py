"""Checks that count something in a text. At least one limit is required: ``at_least``, ``at_most`` or ``exactly``."""

from __future__ import annotations

from typing import Literal

import regex

from dunwu.text.words import occurrences, tokens

Found = tuple[bool, str]
"""Whether the text follows the instruction, and what was found."""

_ABBREVIATION = regex.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|cf|No|Fig|approx|a\.m|p\.m|(?:[A-Z]\.)+[A-Z])\.")
_SENTENCE_END = regex.compile(r"[.!?]+[\"'”’)\]]*+(?=\s|$)|[。！？!?]+[”’」』）]*+|\n\s*\n")
_BULLET = regex.compile(r"(?m)^[ \t]*+(?!(?:[*+-][ \t]*+)++$)(?:[*+•‣-][ \t]++\S|[•‣]\S|-\p{L})")
_NUMBERED = regex.compile(r"(?m)^[ \t]*+\(?\d{1,3}[.)、．][ \t]*+\S")
_HIGHLIGHT = regex.compile(r"\*\*(?=\S)[^*\n]++\*\*|(?<![*\w])\*(?=[^\s*])[^*\n]++\*(?!\*)")
_PLACEHOLDER = regex.compile(r"\[[^\[\]\n]*?[^\[\]\s][^\[\]\n]*+\](?!\()")
_CAPITALS = regex.compile(r"(?<![\w'])\p{Lu}(?:[\p{Lu}\p{N}]|['’-](?=\p{Lu}))*+(?!\w)")


def within(count: int, what: str, at_least: int | None, at_most: int | None, exactly: int | None) -> Found:
    """Check ``count`` against the limits. Raises `ValueError` if none is given."""
    if at_least is at_most is exactly is None:
        raise ValueError("give at_least, at_most or exactly")
    holds = (at_least is None or count >= at_least) and (at_most is None or count <= at_most) and (exactly is None or count == exactly)
    return holds, f"{count} {what}"


def word_count(text: str, *, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Words and numbers; a Han character is a word (`dunwu.text.words`)."""
    return within(len(tokens(text)), "words", at_least, at_most, exactly)


def sentence_count(text: str, *, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Pieces with a word in them, ended by ``. ! ? 。 ！ ？``, a blank line or the end of the text, not by an abbreviation's full stop."""
    pieces = _SENTENCE_END.split(_ABBREVIATION.sub(lambda match: match.group().replace(".", ""), text))
    return within(sum(bool(tokens(piece)) for piece in pieces), "sentences", at_least, at_most, exactly)


def paragraph_count(
    text: str,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    exactly: int | None = None,
    separator: Literal["blank line", "***"] = "blank line",
) -> Found:
    """Pieces with a word in them between blank lines, or between lines of three asterisks."""
    pieces = regex.split(r"\n\s*\n" if separator == "blank line" else r"(?m)^\s*\*{3}\s*$", text)
    return within(sum(bool(tokens(piece)) for piece in pieces), "paragraphs", at_least, at_most, exactly)


def bullet_count(
    text: str, *, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None, numbered: bool = False
) -> Found:
    """Lines that begin with ``* - + •`` (``numbered``: with ``1.``) and a space."""
    return within(len((_NUMBERED if numbered else _BULLET).findall(text)), "bullets", at_least, at_most, exactly)


def highlight_count(text: str, *, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Parts in ``*...*`` or ``**...**``."""
    return within(len(_HIGHLIGHT.findall(text)), "highlights", at_least, at_most, exactly)


def placeholder_count(text: str, *, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Parts in square brackets, such as ``[address]``, but not links."""
    return within(len(_PLACEHOLDER.findall(text)), "placeholders", at_least, at_most, exactly)


def capital_word_count(text: str, *, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Words all in capitals, including ``I`` and ``A``."""
    return within(len(_CAPITALS.findall(text)), "words in capitals", at_least, at_most, exactly)


def keyword_count(text: str, *, keyword: str, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Times that ``keyword`` occurs as a whole word, in any case."""
    return within(occurrences(text, keyword), f"times {keyword!r}", at_least, at_most, exactly)


def letter_count(text: str, *, letter: str, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Times that ``letter`` occurs, in any case."""
    if len(letter) != 1:
        raise ValueError(f"letter {letter!r} is not one character")
    return within(text.casefold().count(letter.casefold()), f"times {letter!r}", at_least, at_most, exactly)


def section_count(text: str, *, heading: str, at_least: int | None = None, at_most: int | None = None, exactly: int | None = None) -> Found:
    """Lines that begin with ``heading`` and a number: ``Section 1``, with or without Markdown marks."""
    if not heading.strip():
        raise ValueError("a blank heading")
    found = regex.findall(rf"(?m)^[ \t#*]*+{regex.escape(heading.strip())}[ \t]*+\d+", text)
    return within(len(found), "sections", at_least, at_most, exactly)
