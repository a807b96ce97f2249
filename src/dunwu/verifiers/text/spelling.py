"""Do two texts differ in spelling only?

A similarity ratio cannot decide this: ``north`` and ``south`` share three of five letters, and a digit or ``not`` changes few letters but
the meaning. So each word must be a spelling of the word in its place, by a closed rule: equal after the variants of `_VARIANTS` (colour,
organise, Tchaikovsky's ``y``), a plural, or, in words of at least eight letters, one letter omitted, doubled or swapped with its
neighbour. That must not be at the ends, where prefixes and endings make another word (``symmetric``, ``asymmetric``). Short words
without content, and a space, may be missing.

Not detected: similar words with different meanings that are not in `_CONFUSABLE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

import regex

from dunwu.text.words import tokens

MIN_PLURAL = 4
MIN_VARIANT = 5
MIN_DOUBLED = 6
MIN_SLIP = 8
"""Minimum letters of the shorter word for a plural, a variant, a doubled letter and a typing slip."""

_FILLERS = frozenset(tokens("of in on at and for to it is was are dr mr mrs ms sir st jr jnr sr 的"))
_VARIANTS = tuple(
    (regex.compile(pattern), replacement)
    for pattern, replacement in (
        (r"our(?=s?$|ed$|ing$|ite|able)", "or"),
        (r"(?<=[aeiouynlrt])is(?=e[srd]?$|ing$|ation)", "iz"),
        (r"(?<=[bt])re(?=s?$)", "er"),
        (r"ph", "f"),
        (r"[ao]e", "e"),
        (r"[iy]+", "i"),
        (r"w", "v"),
        (r"ck|k(?![ein])|(?<!s)c(?![eihy])", "c"),
        (r"(?<=t)h(?=[ltre])", ""),
    )
)
_DOUBLED = regex.compile(r"([bcdfglmnprstz])\1")
_CONFUSABLE = """
morality mortality; immorality immortality; amorality mortality; mediation meditation; mediation medication; meditation medication;
desert dessert; deserts desserts; carrier career; conservation conversation; formally formerly; dissent descent; latter later
"""
_CONFUSED = frozenset(frozenset(tokens(pair)) for pair in _CONFUSABLE.split(";"))
_SAME = frozenset(frozenset(tokens(pair)) for pair in ("jon john", "grey gray", "catherine katherine"))


def same_but_for_spelling(gold: Sequence[str], answer: Sequence[str]) -> bool:
    """True if each word of ``answer`` is a spelling of the word of ``gold`` in its place."""
    matcher = SequenceMatcher(None, gold, answer, autojunk=False)
    return all(_alike(gold[a:b], answer[c:d]) for what, a, b, c, d in matcher.get_opcodes() if what != "equal")


def _alike(left: Sequence[str], right: Sequence[str]) -> bool:
    if "".join(left) == (joined := "".join(right)) and joined.isalpha():
        return True
    if len(left) != len(right):
        left, right = ([word for word in words if word not in _FILLERS] for words in (left, right))
    return all(a is not None and b is not None and _is_spelling(a, b) for a, b in zip_longest(left, right))


def _is_spelling(left: str, right: str) -> bool:
    shorter, longer = sorted((left, right), key=len)
    pair = frozenset((left, right))
    if pair in _CONFUSED or not (left.isalpha() and right.isalpha()):
        return False
    if left == right or pair in _SAME or _is_plural(shorter, longer):
        return True
    if len(shorter) >= MIN_VARIANT and _folded(left, len(shorter)) == _folded(right, len(shorter)):
        return True
    return len(shorter) >= MIN_SLIP and _is_slip(shorter, longer)


def _is_plural(shorter: str, longer: str) -> bool:
    return len(shorter) >= MIN_PLURAL and not shorter.endswith("s") and longer in (f"{shorter}s", f"{shorter}es")


def _folded(word: str, shorter: int) -> str:
    for pattern, replacement in _VARIANTS:
        word = pattern.sub(replacement, word)
    return _DOUBLED.sub(r"\1", word) if shorter >= MIN_DOUBLED else word


def _is_slip(shorter: str, longer: str) -> bool:
    """One letter omitted or two neighbours swapped, after the first letter and before the last two."""
    start = next((at for at, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    if not 0 < start < len(shorter) - 2:
        return False
    if len(shorter) == len(longer):
        return shorter[start : start + 2] == longer[start : start + 2][::-1] and shorter[start + 2 :] == longer[start + 2 :]
    return shorter[start:] == longer[start + 1 :]
