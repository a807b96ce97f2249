"""Do the words around a number leave it unchanged?

Words that change a number (``twice``, ``short by``, ``is too small``) are an open class. So `keeps` accepts only known words: a verb that
states a value, a unit after the number, ``in total``. Unknown words leave the number unread. `changes` finds words that change a number
in any position.
"""

from __future__ import annotations

import re

from dunwu.verifiers.math import sentence_chinese as chinese
from dunwu.verifiers.math.sentence_words import (
    CHANGING,
    CHANGING_AFTER,
    CHANGING_BEFORE,
    CHANGING_CLOSE_BEFORE,
    CHINESE_EXCLUSIVE,
    CLOSED,
    COPULAS,
    DENYING,
    DETERMINERS,
    EQUATING,
    EXCLUSIVE,
    GIVING,
    HEADS,
    IN,
    OBJECTS,
    PREDICATES,
    STATING,
    SUBJECTS,
    TO,
    TRAILING,
    TURNING,
    WITH_UNIT,
)
from dunwu.verifiers.math.units import currencies
from dunwu.verifiers.math.words import NUMBER_WORDS, PARTS

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
    """``text`` in lower case; phrases that look like others (``May``, ``it's``, ``adds up to``, ``the two trains``) are simplified."""
    plain = _MAY.sub("month", re.sub("[‹›]", " ", text.replace("’", "'"))).casefold()
    for pattern, simple in _SIMPLER:
        plain = pattern.sub(simple, plain)
    return plain


def without_rival(text: str) -> str:
    """``9 more stickers than Ana`` as ``9 more stickers``: the number is the difference."""
    return _THAN_SOMEBODY.sub(lambda m: m.group() if NUMBER_WORDS & set(m.group().casefold().split()) else m.group(1), text)


_LINKS = CLOSED | CHANGING_BEFORE | CHANGING_CLOSE_BEFORE
_OF = re.compile(rf"\b(?!(?:{'|'.join(sorted(HEADS))})\b)[a-z]+\s+of\s*\Z")
_PHRASES = re.compile(
    r"\bup\s+to\b|\b(?:square|cube)s?\s+of\b|\bof\s+which\b|\bused\s+to\b|\bat\s+first\b|\bdifferent\s+(?:from|to|than)\b|\bother\s+than\b"
    r"|\b(?:previous|preceding|earlier|another|other|next)\s+(?:problem|question|exercise|part|answer|step|line|case|attempt)\b"
    r"|\bin\s+the\s+red\b|\b(?:would|could|should|might)\s+have\b|\bought\s+to\b|\bothers\s+(?:got|get|say|said|think|thought|find|found)\b|\bof\s+the\s+(?:answer|result)\b|[a-z]*(?:illi(?:on|ard)s?)\b"
)
_OF_ANSWER = re.compile(r"\b(?:than|times|of|plus|minus)(?:\s+(?:the|my|his|her|our|their|your))?\s*\Z")
_LONE_LETTER = re.compile(r"(?<![A-Za-z'])[B-HJ-Zb-hj-z](?![A-Za-z'])")
SUBJECT = re.compile(r"(?<![A-Za-z\\'])[A-Za-z](?=\s+(?:is|equals|must|should|will)\b|\s*(?:的|等于|为|是))")
"""A letter that is the subject of a sentence: ``the value of x is``, ``x的值为``."""
_WHILE = re.compile(r"\bover\s+(?:the|an?|his|her|their)\b")
_SAME_SIDE = (
    (re.compile(r"\b([ap])\.\s?m\b\.?"), r"\1m"),
    (re.compile(r"\bb\.?\s?c(?:\.?\s?e)?\b\.?"), "bc"),
    (re.compile(r"\b(?:a\.?\s?d|c\.?\s?e)\b\.?"), "ad"),
    (re.compile(r"\b(?:(?:counter|anti)[- ]?clockwise|ccw|acw)\b"), "counterclockwise"),
    (re.compile(r"\bcw\b"), "clockwise"),
)
_QUESTION = re.compile(r"\s*(?:Is|Are|Was|Were)\s*")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[\u4e00-\u9fff]+")


def keeps(before: str, after: str, money: bool = False) -> bool:
    """True if the words around an expression are known to leave it unchanged: ``There are``, ``apples in all``.

    ``money``: a currency sign preceded it, which is its unit.
    """
    if changes(before, after) or _QUESTION.fullmatch(before):
        return False
    after = without_rival(after)
    first, then = _words(before), _words(after)
    paid_to = money and then[:1] == ["to"]  # $9 to park
    return _leads(first, money or (bool(then) and _is_unit(then[0]))) and (paid_to or _trails(then))


def _words(text: str) -> list[str]:
    return _WORD.findall(spelled(text))


def _leads(words: list[str], unit: bool) -> bool:
    """True if a number may follow: after a verb that states it, or, before a unit, after most words (``She embroidered 5 flowers``)."""
    if not words:
        return True
    last = words[-1]
    if chinese.CHINESE.match(last):
        return chinese.leads(last, unit)
    if words[0] in COPULAS and words[1:] and words[1] in SUBJECTS:
        return False  # a question
    if last == "to":
        return len(words) > 1 and words[-2] in TO
    if last in OBJECTS:
        return len(words) > 1 and words[-2] in GIVING
    return last in STATING or last == "of" or (unit and (last in WITH_UNIT or last not in _LINKS))


def _trails(words: list[str]) -> bool:
    """True if the words may follow a number: nothing, a unit, ``in all``, ``is the answer``."""
    if not words:
        return True
    if chinese.CHINESE.match(words[0]):
        return chinese.trails(words[0])
    first, rest = words[0], words[1:]
    if first in COPULAS:
        place = next((place for place, word in enumerate(words) if word not in COPULAS), len(words) - 1)
        named = words[place] in ("a", "an") and not {"solution", "root", "zero", "answer"}.isdisjoint(words[place:])
        return words[place] in PREDICATES or named
    if first == "in":
        return not rest or rest[0] in IN or rest in (["long"], ["wide"], ["tall"], ["high"])  # "in" alone is the inch
    if first in TRAILING:
        return True
    if first in ("less", "fewer"):
        return bool(rest) and rest[0] not in _LINKS and rest[0] not in DETERMINERS
    return first not in CLOSED and (bool(rest) or not first.endswith(("ed", "ing")))


def _is_unit(word: str) -> bool:
    return word not in _LINKS and word not in COPULAS and word not in (TRAILING - {"more", "percent", "remaining", "used"})


def changes(before: str, after: str) -> bool:
    """True if words before or after an expression make it another one (``twice``, ``reciprocal of``, ``is wrong``, ``squared``)."""
    first, then = spelled(before), spelled(without_rival(after))
    lead, tail = _words(first), _words(then)
    words = {*lead, *tail}
    if words & CHANGING - _allowed(first, then) or any(word.endswith("n't") for word in words):
        return True
    if CHANGING_BEFORE & set(lead) or CHANGING_CLOSE_BEFORE & set(lead[-2:]) or CHANGING_AFTER & set(_WHILE.sub("", then).split()[:3]):
        return True
    counted = {*tail} if lead and lead[-1] in EQUATING else words
    if counted & NUMBER_WORDS - PARTS.keys() - {"one"} or _OF.search(first) or _PHRASES.search(f"{first} {then}"):
        return True
    return chinese.changes(first, then)


def denies(clause: str) -> bool:
    """True if a clause before ``the answer is 5`` denies it, or makes it another number (``I doubt that``, ``half``)."""
    words = _words(clause)
    denied = (DENYING - {"if", "without"}) | TURNING
    other = _OF_ANSWER.search(spelled(clause)) or _PHRASES.search(spelled(clause))
    negated = any(word.endswith("n't") for word in words)
    return bool(denied & set(words) or other or negated or words[-2:-1] == ["if"] or chinese.denies(clause))


def disturbs(before: str, after: str) -> bool:
    """True if there is more maths around an expression: digits, or a single letter."""
    if any(char.isdigit() for char in before + after):
        return True
    return any(_LONE_LETTER.search(SUBJECT.sub(" ", re.sub("‹[^›]*›", " ", text))) for text in (before, after))


def _allowed(before: str, after: str) -> set[str]:
    """Words of `CHANGING` that change nothing in this context: ``square meters``, ``over the weekend``."""
    allowed = set()
    if re.search(r"\b(?:square|cubic)\s+[a-z]{2,}", after) or re.search(
        r"\bsquare\s+(?:has|is)\b|\broots?\s+(?:of\s+(?:the\s+)?[a-z]+\s+)?(?:is|are|equals?)\b|\bremainder\s+is\b", before
    ):
        allowed |= {"square", "root", "roots", "remainder"}
    if re.search(r"\b(?:times|roots)\s*\Z", after) and not before.strip().endswith("than"):
        allowed |= {"times", "root", "roots"}
    return allowed


def contradict(gold: str, found: str) -> bool:
    """True if the words around two numbers exclude each other (north and south, a.m. and p.m., profit and loss, ago and in 5 years)."""
    expected, present = (_opposites(text) for text in (gold, found))
    return any((one := group & expected) and (other := group & present) and not one & other for group in (*EXCLUSIVE, *CHINESE_EXCLUSIVE))


def _opposites(text: str) -> set[str]:
    plain = spelled(text)
    for pattern, word in _SAME_SIDE:
        plain = pattern.sub(word, plain)
    words = set(re.findall(r"[a-z]+", re.sub(r"\bin\s+(?=[0-9])", " hence ", plain)))
    return words | {mark for pair in CHINESE_EXCLUSIVE for mark in pair if mark in text} | currencies(text)
