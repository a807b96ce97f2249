"""One expression with what may surround it: a unit, a percent sign, words."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from dunwu.verifiers.math.form import normal_form
from dunwu.verifiers.math.sentence import keeps
from dunwu.verifiers.math.syntax import Number, TooLarge, Unreadable, parse
from dunwu.verifiers.math.text import FUNCTIONS
from dunwu.verifiers.math.values import DIVISION_BY_ZERO, Relation, Scalar, Value, Words, times
from dunwu.verifiers.math.words import number_in_words

# Units that are also products in physics, such as mg, ms or kw, are not listed: those are read in \text{} only.
_UNITS = (
    "mm|cm|dm|km|kg|lbs?|oz|ft|feet|foot|in|inch(?:es)?|yards?|miles?|mph|kph|kmh|hrs?|hours?|min|mins|minutes?|sec|secs|seconds?"
    "|days?|weeks?|months?|years?|cents?|dollars?|bucks|euros?|pounds?|yuan|rmb|usd|grams?|liters?|litres?|gallons?|meters?|metres?"
    "|centimeters?|kilometers?|degrees?|deg|rad|radians?|units?|sq|square|cubic|people|students?|points?|ways?|newtons?|joules?|watts?|volts?"
    "|hz|kpa|mol|ml|percentage points?|bpm|rpm"
)
_BARE_UNIT = re.compile(
    rf"(?<=[0-9).}}\s])\s*(?:(?:{_UNITS})(?:\s*(?:/|per)\s*(?:{_UNITS}|[hs])|\s+(?:{_UNITS}))?)(?:\^\{{?-?[1-9]\}}?)?\s*\Z"
)
_TEXT_UNIT = re.compile(
    r"\s*\\frac\s*\{\s*‹[^›]*›\s*\}\s*\{\s*‹[^›]*›\s*\}\s*\Z|\s*‹([^›]*)›(?:\^\{?-?[0-9]\}?|\s*[*/·]\s*‹[^›]*›|\s*‹[^›]*›)*\s*\Z"
)
_ONLY_WORDS = re.compile(r"[(\[ ]*‹[^›]*›[)\] ]*")
_LETTERS = re.compile("[A-Za-z]{2,}")
_WORDED = re.compile("[A-Za-z]{2,}|[^\\W\\d_a-zA-Z]|‹")
_SMALL = "no on is it in to up at by or as if so we he an am of be do go my us"
_SMALL_WORDS = frozenset(_SMALL.split())
CHANGED = "words that change the number"
_EXPONENT = re.compile(r"\^\{?-?[0-9]\}?")
_TRIGONOMETRIC = re.compile("sin|cos|tan|cot|sec|csc")
_LEADING_WORDS = re.compile(r"\s*‹([^›]*)›\s*[:,]?\s*(?=\S)")
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_TRAILING_SCALE = re.compile(rf"(?<=[0-9])\s*({'|'.join(_SCALES)})\Z", re.IGNORECASE)
_SCALE = re.compile(rf"\s*‹?\s*({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
_CJK_UNIT = re.compile(
    r"(?<=[0-9)}\s])\s*(?:千(?=[克米瓦卡]))?[瓦卡元个人只米岁天年月日时分秒克吨斤升度块条本支张页次种平方立厘毫公里小]{1,6}\Z"
)


def read_scalar(text: str) -> Value:
    """The expression in ``text`` with its unit, an equation if a label precedes it, words if there is none, or an unread scalar."""
    spoken = number_in_words(text.strip("‹› "))
    if spoken is not None:
        return of_number(text, spoken)
    if text == "…" or _is_name(text) or _ONLY_WORDS.fullmatch(text):
        return Words(text)
    body, unit, factor = _without_unit(text)
    percent = body.endswith("%")
    body = body.removesuffix("%").strip()
    label = "" if body.endswith("›") or not (leading := _LEADING_WORDS.match(body)) else leading.group(1)
    body = body[leading.end() :] if label and leading else body
    if body.startswith("‹") or not body:
        return Words(text)
    if not keeps(label, _EXPONENT.sub("", unit)):
        return Scalar(text, problem=CHANGED)
    if body.endswith("°") and not _TRIGONOMETRIC.search(body):
        body, unit = body[:-1], unit or "°"
    scalar = replace(_expression(_ratio(body)), percent=percent, unit=unit)
    if scalar.node is None:
        worded = _WORDED.search(re.sub(r"\\[A-Za-z]+", " ", text)) and not any(map(str.isdigit, text))
        return Words(text) if worded else replace(scalar, text=text)
    scalar = scalar if factor == 1 else times(scalar, Number(Fraction(factor)))
    return Relation((Words(label), scalar), ("=",)) if label.strip() else scalar


def of_number(text: str, value: Fraction) -> Scalar:
    """A scalar with a known value."""
    node = Number(value)
    return Scalar(text, node, normal_form(node))


def _is_name(text: str) -> bool:
    """True for letters that are a name (``IX``, ``TTFF``, ``no``, ``ABCD``), not a product (``xyz``, ``mg``)."""
    if not _LETTERS.fullmatch(text) or text in FUNCTIONS or text in ("pi", "theta"):
        return False
    return text.isupper() or text.casefold() in _SMALL_WORDS or len(text) > 3 or len(set(text)) < len(text)


def _expression(text: str) -> Scalar:
    try:
        node = parse(text)
        return Scalar(text, node, normal_form(node))
    except (Unreadable, TooLarge) as error:
        return Scalar(text, problem=str(error))
    except RecursionError:  # the caller may have used most of the stack
        return Scalar(text, problem="nested too deeply")
    except ZeroDivisionError:
        return Scalar(text, problem=DIVISION_BY_ZERO)


def _without_unit(text: str) -> tuple[str, str, int]:
    """The expression, the unit after it, and the factor of words such as million."""
    match = _TEXT_UNIT.search(text) or _BARE_UNIT.search(text) or _CJK_UNIT.search(text)
    found = match.group() if match is not None and match.start() else ""
    body = text[: len(text) - len(found)].strip() if found else text
    if scale := _SCALE.match(found):
        return body, found[scale.end() :].strip(" ‹›"), _SCALES[scale.group(1).lower()]
    if scale := _TRAILING_SCALE.search(body):
        return body[: scale.start()], found.strip(" ‹›"), _SCALES[scale.group(1).lower()]
    return body, found.strip(" ‹›"), 1


def _ratio(text: str) -> str:
    left, colon, right = text.partition(":")
    clock = right.startswith("0") and len(right) == 2
    return f"({left})/({right})" if colon and ":" not in right and not clock else text
