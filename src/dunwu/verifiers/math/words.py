"""Words in maths: numbers spelled in words, and the key by which texts are compared."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TY = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ONES = {word: value for value, word in enumerate(_UNITS.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TY.split(), start=2)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4, "hundredth": 100, "hundredths": 100, "thousandth": 1000, "thousandths": 1000}
PARTS |= {f"{word}{s}": value for value, word in enumerate(_ORDINALS.split(), start=3) for s in ("", "s")}
_CHINESE_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}
_CHINESE_LARGE = {"万": 10**4, "亿": 10**8}
_CHINESE_NUMBER = re.compile(
    "负?(?:百分之|[零〇一二两三四五六七八九十百千万亿]+分之)?[零〇一二两三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+)?"
)

NUMBER_WORDS = frozenset({*_ONES, *_TENS, *_LARGE, *PARTS, "hundred", "dozen"})

_TOKEN = re.compile(r"\\[A-Za-z]+|(?<![A-Za-z'])[A-Za-z]'+(?![A-Za-z])|[0-9]+(?:[.,][0-9]+)*|[^\W\d_]+(?:'[a-z]+)?|[^\s\w]", re.UNICODE)
_PUNCTUATION = frozenset("""。，；：！？、"“”‹›$.,;:!?()[]{}'⦃⦄_¶""")
_ARTICLE = re.compile(r"(?<![A-Za-z\\])(?:an?|the)[\s›]+(?=\w{2,})", re.IGNORECASE)


def number_in_words(text: str) -> Fraction | None:
    """The number that ``text`` spells out in English or Chinese (``minus seventeen``, ``三分之二``); ``None`` if it is not a number."""
    text = text.strip().casefold()
    if _CHINESE_NUMBER.fullmatch(text):
        return _chinese(text)
    signed = re.match(r"[-−–]\s*(?=[a-z])", text)
    text = text[signed.end() :] if signed else text
    words = [word for word in re.split(r"[\s-]+", text.replace(",", " ")) if word]
    if not words or len(words) > 40 or not all(word.isalpha() for word in words):
        return None
    if signed:
        value = number_in_words(text) if words[0] not in ("minus", "negative") else None
        return None if value is None else -value
    if "over" in words[1:-1]:
        place = words.index("over")
        top, bottom = number_in_words(" ".join(words[:place])), _whole(words[place + 1 :])
        return top / bottom if top is not None and bottom else None
    negative = words[0] in ("minus", "negative")
    value = _spoken(words[negative:])
    return None if value is None else -value if negative else value


def _spoken(words: list[str]) -> Fraction | None:
    """``two and three quarters``, ``three quarters``, ``five point one four``, ``one hundred and six``."""
    if words and words[-1] in PARTS:
        return _with_parts(words)
    if "point" in words:
        place = words.index("point")
        digits = [_ONES.get(word, 10) for word in words[place + 1 :]]
        whole = _whole(words[:place]) if place else 0
        if whole is None or not digits or max(digits) > 9:
            return None
        return whole + Fraction(int("".join(map(str, digits))), 10 ** len(digits))
    whole = _whole(words)
    return None if whole is None else Fraction(whole)


def _with_parts(words: list[str]) -> Fraction | None:
    whole = 0
    counted = words[:-1]
    if "and" in counted:
        place = len(counted) - 1 - counted[::-1].index("and")
        before = _whole(counted[:place])
        if before is not None:
            whole, counted = before, counted[place + 1 :]
    parts = 1 if counted in ([], ["a"], ["an"]) else _whole(counted)
    return None if parts is None else whole + Fraction(parts, PARTS[words[-1]])


def _whole(words: list[str]) -> int | None:
    """A whole number; each word must fit its position."""
    if words and words[0] in ("a", "an") and len(words) > 1 and words[1] in ("hundred", "dozen", *_LARGE):
        words = ["one", *words[1:]]
    if words and words[-1] == "dozen":
        dozens = _whole(words[:-1] or ["one"])
        return None if dozens is None else 12 * dozens
    total, group, smallest, last = 0, 0, 10**15, ""
    for index, word in enumerate(words):
        if word == "and" and index and last in ("hundred", *_LARGE) and index + 1 < len(words):
            continue
        if word in _ONES:
            free = not last or last in ("hundred", *_LARGE) or (last in _TENS and 0 < _ONES[word] < 10)
            group += _ONES[word]
        elif word in _TENS:
            free = not last or last in ("hundred", *_LARGE)
            group += _TENS[word]
        elif word == "hundred":
            free = 0 < group < 100 and last not in ("hundred",)
            group *= 100
        elif word in _LARGE:
            free = group > 0 and _LARGE[word] < smallest
            total, group, smallest = total + group * _LARGE[word], 0, _LARGE[word]
        else:
            return None
        if not free:
            return None
        last = word
    return total + group if last else None


def _chinese(text: str) -> Fraction | None:
    negative, text = text.startswith("负"), text.removeprefix("负")
    denominator, part, numerator = text.rpartition("分之")
    if part:
        top, bottom = _chinese(numerator), _chinese_whole(denominator)
        value = None if top is None or not bottom else top / bottom
    else:
        whole, point, digits = text.partition("点")
        head = _chinese_whole(whole)
        value = None if head is None else Fraction(head)
        if point and value is not None:
            value += Fraction(int("".join(str(_CHINESE_DIGITS[char]) for char in digits)), 10 ** len(digits))
    return None if value is None else -value if negative else value


def _chinese_whole(text: str) -> int | None:
    if text and all(char in _CHINESE_DIGITS for char in text):
        return int("".join(str(_CHINESE_DIGITS[char]) for char in text))
    total, group, digit = 0, 0, -1
    for char in text:
        if char in _CHINESE_DIGITS:
            if digit > 0:
                return None
            digit = _CHINESE_DIGITS[char]
        elif char in _CHINESE_UNITS:
            group, digit = group + (digit if digit > 0 else 1) * _CHINESE_UNITS[char], -1
        elif char in _CHINESE_LARGE:
            total, group, digit = (total + group + max(digit, 0)) * _CHINESE_LARGE[char], 0, -1
        else:
            return None
    return total + group + max(digit, 0) if text else None


def words_key(text: str) -> tuple[str, ...]:
    r"""The key by which text answers are compared: lower-case words, numbers, commands and symbols, without articles and punctuation.

    A hyphen between letters does not count; one before a digit or a sign does: ``-5`` is not ``5``, ``C++`` is not ``C``.
    """
    joined = _ARTICLE.sub("", re.sub(r"(?<=[A-Za-z])[-–](?=[A-Za-z])", " ", text.replace("’", "'")))
    return tuple(token.casefold() for token in _TOKEN.findall(joined) if token not in _PUNCTUATION)
