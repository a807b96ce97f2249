"""Words in and around maths: numbers spoken in words, texts as compared, and words that make a number another one."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TY = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ONES = {word: value for value, word in enumerate(_UNITS.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TY.split(), start=2)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4, "hundredth": 100, "hundredths": 100, "thousandth": 1000, "thousandths": 1000}
_PARTS |= {f"{word}{s}": value for value, word in enumerate(_ORDINALS.split(), start=3) for s in ("", "s")}
_CHINESE_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}
_CHINESE_LARGE = {"万": 10**4, "亿": 10**8}
_CHINESE_NUMBER = re.compile(
    "负?(?:百分之|[零〇一二两三四五六七八九十百千万亿]+分之)?[零〇一二两三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+)?"
)

NUMBER_WORDS = frozenset({*_ONES, *_TENS, *_LARGE, *_PARTS, "hundred", "dozen"})

_ANYWHERE = """
not no never neither nor none cannot without except unless unlike instead rather isn't aren't wasn't weren't ain't don't doesn't didn't
can't won't couldn't shouldn't wouldn't wrong incorrect false mistaken impossible invalid untrue 
doubt doubts doubtful maybe perhaps possibly might hardly unlikely
deny denies denied reject rejected disagree exclude excluded excluding refute refuted contradicts unsure uncertain differs different
opposed anything but or versus vs than least most about approximately approx roughly around nearly almost circa
minus negative plus add added subtract subtracted times multiplied divided multiply divide double doubled twice thrice triple tripled
quadruple quadrupled halved squared cubed square root roots cube cubes factorial reciprocal inverse opposite negation negated inverted
complement conjugate sqrt pi log ln sin cos tan mod modulo remainder
dozen dozens hundred hundreds thousand thousands mil bn mn million millions billion billions trillion trillions
"""
_BEFORE = "between over under above below beyond exceeding within half less"
_AFTER = "over under half halves quarter quarters off out short th st nd rd tens zeros zeroes digits"
_HEADS = """
total sum area volume length perimeter value answer result amount count price cost speed distance height width number average mean
probability rate profit loss maximum minimum weight age time solution score range median mode radius diameter circumference temperature
difference product quotient measure chance percentage interest balance quantity degree size slope
"""
_CHANGING = frozenset(_ANYWHERE.split())
_CHANGING_BEFORE = frozenset(_BEFORE.split())
_CHANGING_AFTER = frozenset(_AFTER.split()) | _PARTS.keys()
_OF = re.compile(rf"\b(?!(?:{'|'.join(_HEADS.split())})\b)[a-z]+\s+of\s*\Z")
_SQUARE_OF = re.compile(r"\bup\s+to\b|\b(?:square|cube)s?\s+of\b|\bof\s+which\b")
_CHINESE_CHANGING = re.compile(
    "[或不非约近负错半]|至少|至多|以上|以下|大于|小于|超过|次方|平方(?![米分厘千])|平方根|分之|的倒数|相反数|两倍|[一二三四五六七八九十百千]倍"
)
_CHINESE_SCALE = re.compile(r"\s*[多余几]?[十百千万亿](?![克米瓦])|.*半", re.DOTALL)
_LONE_LETTER = re.compile(r"(?<![A-Za-z'])[B-HJ-Zb-hj-z](?![A-Za-z'])")
_TOKEN = re.compile(r"\\[A-Za-z]+|(?<![A-Za-z'])[A-Za-z]'+(?![A-Za-z])|[0-9]+(?:[.,][0-9]+)*|[^\W\d_]+(?:'[a-z]+)?|[^\s\w]", re.UNICODE)
_PUNCTUATION = frozenset("""。，；：！？、"“”‹›$.,;:!?()[]{}'⦃⦄_¶""")
_ARTICLE = re.compile(r"(?<![A-Za-z\\])(?:an?|the)[\s›]+(?=\w{2,})", re.IGNORECASE)

_EXCLUSIVE = (
    "north south east west northeast northwest southeast southwest",
    "left right",
    "up down",
    "above below",
    "increase decrease",
    "increased decreased",
    "profit loss",
    "gain loss",
    "clockwise counterclockwise anticlockwise",
    "bc ad",
    "am pm",
    "more less fewer",
    "before after",
    "ahead behind",
    "older younger",
    "taller shorter",
    "male female",
    "boys girls",
    "men women",
    "positive negative",
)
_GROUPS = tuple(frozenset(group.split()) for group in _EXCLUSIVE)


def number_in_words(text: str) -> Fraction | None:
    """The number that ``text`` spells out, English or Chinese (``minus seventeen``, ``三分之二``); ``None`` where it is none."""
    text = text.strip().casefold()
    if _CHINESE_NUMBER.fullmatch(text):
        return _chinese(text)
    words = [word for word in re.split(r"[\s-]+", text.replace(",", " ")) if word]
    if not words or len(words) > 40:
        return None
    if "over" in words[1:-1]:
        place = words.index("over")
        top, bottom = number_in_words(" ".join(words[:place])), _whole(words[place + 1 :])
        return top / bottom if top is not None and bottom else None
    negative = words[0] in ("minus", "negative")
    value = _spoken(words[negative:])
    return None if value is None else -value if negative else value


def _spoken(words: list[str]) -> Fraction | None:
    """``two and three quarters``, ``three quarters``, ``five point one four``, ``one hundred and six``."""
    if words and words[-1] in _PARTS:
        return _with_parts(words)
    if "point" in words:
        place = words.index("point")
        digits = [_ONES.get(word, 10) for word in words[place + 1 :]]
        whole = _whole(words[:place])
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
    return None if parts is None else whole + Fraction(parts, _PARTS[words[-1]])


def _whole(words: list[str]) -> int | None:
    """A whole number; each word must fit where it stands."""
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
    r"""A text answer as compared: words in lower case, numbers, commands and symbols, without articles and punctuation.

    A hyphen between letters joins words and does not count; before a digit or a sign it does: ``-5`` is not ``5``, ``C++`` not ``C``.
    """
    joined = _ARTICLE.sub("", re.sub(r"(?<=[A-Za-z])[-–](?=[A-Za-z])", " ", text.replace("’", "'")))
    return tuple(token.casefold() for token in _TOKEN.findall(joined) if token not in _PUNCTUATION)


def changes(before: str, after: str) -> bool:
    """Do words before or after an expression make it another one (``twice``, ``reciprocal of``, ``is wrong``, ``squared``)?"""
    first, then = (re.sub("[‹›]", " ", text.casefold().replace("’", "'")) for text in (before, after))
    words = set(re.findall(r"[a-z]+(?:'[a-z]+)?", f"{first} {then}"))
    if words & _CHANGING - _allowed(first, then) or any(word.endswith("n't") for word in words):
        return True
    if _CHANGING_BEFORE & set(first.split()) or _CHANGING_AFTER & set(re.findall("[a-z]+", then)):
        return True
    if words & NUMBER_WORDS - _PARTS.keys() - {"one"} or _OF.search(first) or _SQUARE_OF.search(f"{first} {then}"):
        return True
    return bool(_CHINESE_CHANGING.search(first) or _CHINESE_CHANGING.search(then) or _CHINESE_SCALE.match(then))


def disturbs(before: str, after: str) -> bool:
    """`changes`, or more mathematics: digits, or a letter of its own."""
    if changes(before, after) or any(char.isdigit() for char in before + after):
        return True
    return any(_LONE_LETTER.search(re.sub("‹[^›]*›", " ", text)) for text in (before, after))


def _allowed(before: str, after: str) -> set[str]:
    """Changing words that change nothing where they stand: ``square meters``, ``over the weekend``."""
    allowed = set()
    if re.search(r"\b(?:square|cubic)\s+[a-z]{2,}", after) or re.search(
        r"\bsquare\s+(?:has|is)\b|\broots?\s+(?:of\s+(?:the\s+)?[a-z]+\s+)?(?:is|are)\b|\bremainder\s+is\b", before
    ):
        allowed |= {"square", "root", "roots", "remainder"}
    if re.search(r"\b(?:times|roots)\s*\Z", after) and not before.strip().endswith("than"):
        allowed |= {"times", "root", "roots"}
    return allowed


def contradict(gold: str, found: str) -> bool:
    """Do the words around two numbers exclude each other (north and south, a.m. and p.m., profit and loss)?"""
    expected, present = (_spelled(text) for text in (gold, found))
    return any((one := group & expected) and (other := group & present) and not one & other for group in _GROUPS)


def _spelled(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text.casefold())))
