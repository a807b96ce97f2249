"""The words of a sentence in lower case, with phrases that read like others made plain (`dunwu.verifiers.math.sentence`)."""

from __future__ import annotations

import re

from dunwu.verifiers.math.words import NUMBER_WORDS

_MAY = re.compile(r"(?<=[a-z,0-9] )May\b")
_ADDS_UP = re.compile(r"\b(?:adds?|sums?|totals?)\s+(?:up\s+)?to\b")
_WRITTEN_AS = re.compile(r"\b(?:re)?(?:written|expressed|represented|given)\s+as\b")
_IS_AT = re.compile(r"\b(?:is|are|lies?|located|centered|occurs?|meet|intersect)\s+at\b(?!\s+(?:least|most))")
_LEAST = re.compile(r"\bleast\s+(?=(?:common|possible|such|positive|value|number|integer|amount)\b)|\bat\s+least\s+one\b(?!\s+more)")
_THAN_SOMEBODY = re.compile(
    r"\b((?:more|fewer|less|[a-z]{2,}er)\s+(?:[a-z]+\s+)?)than\s+(?:[A-Z][a-z]{2,}|him|them|me|us|(?:his|her|my|their|your|our)\s+"
    r"(?:(?:best|little|big|older|younger)\s+)?(?:brother|sister|friend|mother|father|mom|dad|cousin|son|daughter|wife|husband|uncle|aunt)s?)\b(?!')"
)
_SHORT_IS = re.compile(r"\b(it|that|there|here|he|she|answer|total|sum)'s\b")
_COUNTED = re.compile(
    r"\b(?:the|these|those|all|both|his|her|their|our|my|your)\s+(?:two|three|four|five|six|seven|eight|nine|ten|twelve)\s+"
    r"(?=[a-z]{3,})(?!hundred|thousand|million|billion|dozen|times)"
)
_LEFT_OVER = re.compile(r"\bleft[ -]?over\b")
_CUT_INTO = re.compile(r"\b(?:is|are|was|were|be)\s+(?:cut|divided|split|sliced)\s+into\b")
_SIMPLER = (
    (_ADDS_UP, "equals"),
    (_WRITTEN_AS, "equals"),
    (_IS_AT, "is"),
    (_LEFT_OVER, "left"),
    (_CUT_INTO, "makes"),
    (_LEAST, "some "),
    (_SHORT_IS, r"\1 is"),
    (_COUNTED, "the "),
)


def spelled(text: str) -> str:
    """In lower case; what is spelled like another word (``May``, ``it's``, ``adds up to``, ``the two trains``) made plain."""
    plain = _MAY.sub("month", re.sub("[‹›]", " ", text.replace("’", "'"))).casefold()
    for pattern, simple in _SIMPLER:
        plain = pattern.sub(simple, plain)
    return plain


def without_rival(text: str) -> str:
    """``9 more stickers than Ana`` as ``9 more stickers``: the number is the difference."""
    return _THAN_SOMEBODY.sub(lambda m: m.group() if NUMBER_WORDS & set(m.group().casefold().split()) else m.group(1), text)
