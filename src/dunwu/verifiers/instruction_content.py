"""Checks of the content and layout of a text."""

from __future__ import annotations

from typing import Any

import regex

from dunwu.text.language import LANGUAGES, language_share
from dunwu.text.words import occurrences, tokens
from dunwu.verifiers.instruction_counts import Found
from dunwu.verifiers.json_schema import NotJson, parse_json

LANGUAGE_SHARE = 0.9
_TITLE = regex.compile(r"<<[^\S\n]*+[^<>\s](?:[^<>\n]|[<>](?![<>]))*+>>")
_SEPARATORS_OUTSIDE = regex.compile(r"\A\s*+\*{6}(?!\*)|(?<!\*)\*{6}\s*+\Z")
_QUOTES = (('"', '"'), ("“", "”"), ("「", "」"), ("『", "』"), ("«", "»"))
_CLOSING = regex.compile(r"[\s\"'”’」』»*_`)）\]】]++$")
_FINAL_MARKS = regex.compile(r"[\s.。!！?？…\"'”’」』»*_`)）\]】]++$")
_OPENING = regex.compile(r"^[\s\"'“‘「『«*_#>`(（\[【]++")
_STRAIGHT = str.maketrans("’‘“”", "''\"\"")
_SYMBOL = regex.compile(r"[\p{S}%#@&*/\\−-]")


def keywords(text: str, *, keywords: list[str]) -> Found:
    """Every one of ``keywords`` occurs as a whole word, in any case."""
    missing = [word for word in _some(keywords) if not occurrences(text, word)]
    return not missing, f"missing: {', '.join(missing)}" if missing else "all there"


def forbidden_words(text: str, *, words: list[str]) -> Found:
    """None of ``words`` occurs."""
    found = [word for word in _some(words) if occurrences(text, word)]
    return not found, f"found: {', '.join(found)}" if found else "none there"


def starts_with(text: str, *, phrase: str) -> Found:
    """The first words are ``phrase``, in any case and with any punctuation; symbols in it (``C++``) must match exactly."""
    wanted = _phrase(phrase)
    holds = tokens(text.casefold())[: len(wanted)] == wanted
    if _SYMBOL.search(phrase):
        holds = holds and _OPENING.sub("", _line(text)).startswith(_line(phrase))
    return holds, f"begins with {text[:40]!r}"


def ends_with(text: str, *, phrase: str) -> Found:
    """The last words are ``phrase``, in any case, with its own punctuation; only quotation marks and the like may follow.

    If the phrase has no full stop or other mark at its end, the text may add one.
    """
    wanted = _phrase(phrase)
    close = _line(phrase)
    after = _CLOSING if _FINAL_MARKS.sub("", close) != _CLOSING.sub("", close) else _FINAL_MARKS
    rest, close = after.sub("", _line(text)), after.sub("", close)
    return tokens(rest)[-len(wanted) :] == wanted and rest.endswith(close), f"ends with {text[-40:]!r}"


def no_commas(text: str) -> Found:
    """No comma of any script."""
    count = sum(text.count(comma) for comma in ",，、،﹐｡︐")
    return count == 0, f"{count} commas"


def lower_case(text: str) -> Found:
    """At least one letter, and no capitals."""
    return text.islower(), "has capitals or no letters" if not text.islower() else "all lower case"


def upper_case(text: str) -> Found:
    """At least one letter, and all in capitals (in scripts that have them)."""
    return text.isupper(), "has small letters or no letters" if not text.isupper() else "all upper case"


def title(text: str) -> Found:
    """A title between ``<<`` and ``>>``."""
    return bool(_TITLE.search(text)), "a title" if _TITLE.search(text) else "no <<title>>"


def json_format(text: str) -> Found:
    """The whole text is JSON, with or without a fence around it; see `parse_json`."""
    try:
        value: Any = parse_json(text)
    except NotJson as error:
        return False, str(error)
    return True, f"a JSON {type(value).__name__}"


def postscript(text: str, *, marker: str = "P.S.") -> Found:
    """``marker`` at the start of a line or after a sentence, and some text after it; its letters may be spaced (``P. P. S``)."""
    if not marker.strip():
        raise ValueError("a blank marker")
    letters = r"\s?".join(map(regex.escape, regex.sub(r"\s", "", marker).removesuffix(".")))
    begin = r"(?:^|(?<=[.!?。！？…][\"'”’」)*_]{0,3}\s{1,3}))[ \t*_#>\"'“(\[]*+"
    found = regex.search(rf"(?mi){begin}{letters}(?!\w)[ \t*_:：.,，;；!)\]–—-]*+\s*\w", text)
    return found is not None, "there" if found else f"no {marker!r}"


def quotation(text: str) -> Found:
    """The whole text is in one pair of double quotation marks."""
    inside = text.strip()
    holds = any(inside.startswith(left) and inside.endswith(right) and tokens(inside) for left, right in _QUOTES) and len(inside) > 2
    return bool(holds), "in quotation marks" if holds else "not in quotation marks"


def language(text: str, *, language: str) -> Found:
    """At least `LANGUAGE_SHARE` of the words are in a script of ``language``; languages may share one (`dunwu.text.language`)."""
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is unknown: use one of {', '.join(LANGUAGES)}")
    share = language_share(text, language)
    return share is not None and share >= LANGUAGE_SHARE, "no words" if share is None else f"{share:.0%} in {language}"


def two_responses(text: str) -> Found:
    """Two different responses separated by six asterisks."""
    pieces = [tokens(piece) for piece in regex.split(r"\*{6}", _SEPARATORS_OUTSIDE.sub("", text))]
    holds = len(pieces) == 2 and all(pieces) and pieces[0] != pieces[1]
    return holds, f"{len(pieces)} responses"


def repeat_prompt(text: str, *, prompt: str) -> Found:
    """``prompt``, word for word, followed by more text."""
    wanted, found = " ".join(prompt.split()), " ".join(text.split())
    if not wanted:
        raise ValueError("a blank prompt")
    holds = found.casefold().startswith(wanted.casefold()) and bool(tokens(found[len(wanted) :]))
    return holds, "repeats the prompt" if holds else "does not repeat the prompt, or says nothing more"


def one_of(text: str, *, options: list[str]) -> Found:
    """Exactly one of ``options`` occurs, word for word, in any case (IFEval's constrained response)."""
    said = [option for option in _some(options) if occurrences(text, option)]
    return len(said) == 1, f"says {', '.join(said) or 'none of them'}"


def paragraph_start(text: str, *, paragraph: int, word: str, paragraphs: int | None = None) -> Found:
    """Paragraph number ``paragraph`` (from 1) begins with ``word``, in any case; ``paragraphs`` is the required number of them."""
    if paragraph < 1 or (paragraphs is not None and paragraphs < paragraph):
        raise ValueError(f"paragraph {paragraph} of {paragraphs}")
    found = [piece for piece in regex.split(r"\n\s*\n", text) if tokens(piece)]
    if len(found) < paragraph or (paragraphs is not None and len(found) != paragraphs):
        return False, f"{len(found)} paragraphs"
    return starts_with(found[paragraph - 1], phrase=word)[0], f"paragraph {paragraph} begins with {found[paragraph - 1].strip()[:40]!r}"


def _line(text: str) -> str:
    """``text`` on one line and in one case, with straight quotation marks."""
    return " ".join(text.casefold().translate(_STRAIGHT).split())


def _some(words: list[str]) -> list[str]:
    if not words:
        raise ValueError("an empty list of words")
    return words


def _phrase(phrase: str) -> list[str]:
    wanted = tokens(phrase.casefold())
    if not wanted:
        raise ValueError(f"phrase {phrase!r} has no words")
    return wanted
