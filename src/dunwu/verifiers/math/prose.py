"""A formula in a sentence: find it, and check that the words around it leave it unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from dunwu.verifiers.math.sentence import SUBJECT
from dunwu.verifiers.math.text import FUNCTIONS
from dunwu.verifiers.math.words import NUMBER_WORDS, number_in_words

_PIECE = re.compile(r"\\[A-Za-z]+|‹[^›]*›|[A-Za-z]{2,}(?:['-][A-Za-z]+)*|[\u4e00-\u9fff]+|[.,:;!?'\s]+|.", re.DOTALL)
_NEUTRAL = re.compile(r"[.,:;!?'\s]+")
_WORD = re.compile(r"‹[^›]*›|[A-Za-z]{2,}(?:['-][A-Za-z]+)*|[\u4e00-\u9fff]+")
_LINKS = frozenset({"and", "or", "和", "或", "⋀", "⋁"})
_SUBSTANCE = re.compile(r"[0-9A-Za-z\\∞]")
_LETTER = re.compile("[A-Za-z]")
_EDGES = " .,:;!?'"
_SPEECH = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_SIGNS = frozenset({"minus", "negative"})
_SIGN_BEFORE = re.compile(r"[-−–.±][\s()\[\]‹›]*\Z")
"""Before a number in words: ``-five``, ``.five``."""
_SIGN_AFTER = re.compile(r"[\s()\[\]‹›]*[-−–!]")
"""After a number in words: ``five!``, ``five-ish``."""
_OTHER_SIGNS = re.compile(r"[^\w\s.,:;!?'\"‹›()\[\]{}*。，：；！？、“”‘’-]")
_SAID = re.compile(
    r"(?:(?<=[0-9)}|])|(?<=[-+*/][A-Za-z])|(?<=[-+*/] [A-Za-z]))"
    r"(?:\s+(?:is|equals|is\s+equal\s+to)\s+(?=[-0-9\\(])|\s*(?:等于|是|为)\s*(?=[-0-9\\]))"
)
_COUNT = r"(?:[0-9]{1,4}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve)"
_PERIOD = re.compile(
    rf"\s+(?:in|over|for|during|within|throughout)\s+(?:the\s+(?:next|first|last|past)\s+)?{_COUNT}\s+(?:second|minute|hour|day|week|month|year)s?\Z"
)
_INTERCEPT = re.compile(r"(?<![A-Za-z0-9\\])[A-Za-z]-(?=[a-z]{4,})")
_CHINESE_ONE = re.compile("一(?=[共定起般样直])|(?<=[同统唯])一")
_CHINESE_COUNT = re.compile(
    "(?:(?<=[有是为共到得要剩了卖买花用于])|^)负?[零〇一二两三四五六七八九十百千万亿]+(?=[个只名人支本张种颗岁米元块天年次条辆页棵头]|$)"
)
_CHINESE_DIGIT = re.compile("[零〇一二两三四五六七八九十百千万亿]+")


@dataclass(frozen=True, slots=True)
class Prose:
    """The only formula of a sentence and the words on both sides of it."""

    before: str
    formula: str
    after: str


def only_formula(text: str) -> Prose | None:
    """The cleaned ``text`` around its only formula; ``None`` if it has none, several, or no words.

    ``f(2) is 5`` has one formula, and so has ``990 dollars in 5 days``, whose days do not count.
    """
    if not _SUBSTANCE.search(text):
        return None
    text = _INTERCEPT.sub("", text)
    equation = _SAID.sub(" = ", text)
    if equation != text and not _WORD.search(re.sub(r"\\[A-Za-z]+", "", equation)):
        return Prose("", equation, "")
    return _only_formula(_PERIOD.sub("", equation)) or _only_formula(equation)


def _only_formula(text: str) -> Prose | None:
    pieces = _classified(text)
    if not any(kind == "word" for kind, _, _ in pieces):
        return None
    spans: list[list[int]] = []
    open_span = False
    for kind, start, end in pieces:
        if kind == "maths":
            if open_span:
                spans[-1][1] = end
            else:
                spans.append([start, end])
            open_span = True
        elif kind == "word":
            open_span = False
    spans = [span for span in spans if _SUBSTANCE.search(text, span[0], span[1])]
    if len(spans) != 1:
        return None
    start, end = spans[0]
    if _LETTER.match(text[max(start - 1, 0) : start]) or _LETTER.match(text[end : end + 1]):
        return None  # glued to a word, such as un(3,4)
    return Prose(text[:start].strip(_EDGES), text[start:end].strip(_EDGES), text[end:].strip(_EDGES))


def _classified(text: str) -> list[tuple[str, int, int]]:
    """Pieces as word, maths or neutral; anything in brackets is maths."""
    pieces: list[tuple[str, int, int]] = []
    depth = 0
    for match in _PIECE.finditer(text):
        piece = match.group()
        depth += (piece in "([{⦃") - (piece in ")]}⦄") if len(piece) == 1 else 0
        if depth > 0:
            kind = "maths"
        elif _NEUTRAL.fullmatch(piece):
            kind = "neutral"
        elif (_WORD.fullmatch(piece) and piece not in FUNCTIONS) or _is_word(text, match.start(), match.end()):
            kind = "word"
        else:
            kind = "maths"
        pieces.append((kind, match.start(), match.end()))
    significant = [index for index, (kind, _, _) in enumerate(pieces) if kind != "neutral"]
    for before, index, after in zip(significant, significant[1:], significant[2:], strict=False):
        kind, start, end = pieces[index]
        if kind == "word" and text[start:end].casefold() in _LINKS and pieces[before][0] == pieces[after][0] == "maths":
            pieces[index] = ("maths", start, end)
    return pieces


def _is_word(text: str, start: int, end: int) -> bool:
    """True for a letter that is an article, a pronoun or the subject of the sentence."""
    article = text[start:end] in ("a", "A", "I") and re.match(r"\s+[A-Za-z]{2}", text[end:]) is not None
    return article or SUBJECT.match(text, start) is not None


def spoken_number(text: str) -> tuple[str, Fraction, str] | None:
    """Words before, value and words after the only number of a text that has no digits: ``There are twenty-one ways.``"""
    if any(map(str.isdigit, text)):
        return None
    if _CHINESE_DIGIT.search(text):
        return _spoken_in_chinese(_CHINESE_ONE.sub("", text).strip(_EDGES))
    words = [(match.group().casefold(), match.start(), match.end()) for match in _SPEECH.finditer(text)]
    places = [index for index, (word, _, _) in enumerate(words) if word in NUMBER_WORDS]
    if not places:
        return None
    first, last = places[0], places[-1]
    while first and words[first - 1][0] in (*_SIGNS, "a", "an", "point"):
        first -= 1
    value = number_in_words(text[words[first][1] : words[last][2]])
    before, after = text[: words[first][1]], text[words[last][2] :]
    changed = _SIGN_BEFORE.search(before) or _SIGN_AFTER.match(after) or _OTHER_SIGNS.search(before + after)
    return None if value is None or changed else (text[: words[first][1]].strip(_EDGES), value, text[words[last][2] :].strip(_EDGES))


def _spoken_in_chinese(text: str) -> tuple[str, Fraction, str] | None:
    """A number after a verb that states it and before a counting unit: ``一共有七十二人``; ``三角形`` counts nothing."""
    count = _CHINESE_COUNT.search(text)
    if count is None or len(_CHINESE_DIGIT.findall(text)) > 1:
        return None
    value = number_in_words(count.group())
    return None if value is None else (text[: count.start()], value, text[count.end() :])
