r"""Plain numbers: one evaluated number, compared exactly. For tasks whose question is an expression, which would be its own answer.

All other problems with a numeric gold (``number``, ``math``) use the maths verifier, where ``2^{10}`` is 1024.

Read as one number: integers, decimals, ``a/b``, ``\frac`` (also ``\dfrac``, ``\tfrac``), percent, thousands separators, currency
signs, ``$...$``, ``\boxed{}`` and ``**...**``, words and a unit around it, ``x = 8``, ``答案是8。``. Full-width digits and signs count as
ASCII (they are common in Chinese text); any other non-ASCII numeral (``²``, ``①``, ``½``, ``٣``) makes the answer unparsable.

Not read, and so never right: several numbers (``8 or 9``, ``1 1/2``, ``2 × 4 = 8``) and different boxes side by side; scientific
notation, powers, roots, products with a letter (``8x``), one-letter units, words that change a number (``8 million``, ``not 8``).
``60%`` may mean 60 or 3/5: that depends on the question, which the verifier does not see.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from dunwu.text.boxes import offered_boxes
from dunwu.types import Problem, Verdict

MAX_LENGTH = 2048
MAX_DIGITS = 1000

_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", ord("−"): "-", ord("。"): "."}

# From LaTeX and markup to plain text, in this order. No rule may join two numbers into one: if in doubt, insert a space.
_PLAIN = (
    (re.compile(r"\\!|\^\{?\\circ\}?|\\degree|[°\"'“”`]"), ""),
    (re.compile(r"(?<=[0-9])(?:\\,|\{,\})(?=[0-9]{3}(?![0-9]))"), ","),
    (re.compile(r"\\(?:text|mathrm)\{\s*[A-Za-z]{1,12}\.?\s*\}\^(?:[23](?![0-9])|\{[23]\})"), " units"),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf)\{([^{}\\^_]*)\}"), r" \1 "),
    (re.compile(r"(?<=[0-9])(?=\\[dt]?frac)"), " "),
    (re.compile(r"\\[dt]?frac\s?(?:\{(-?[0-9]+)\}|([0-9]))\s?(?:\{([0-9]+)\}|([0-9]))"), r"\1\2/\3\4 "),
    (re.compile(r"\\[()\[\],;: ]|\\(?:quad|qquad)\b"), " "),
    (re.compile(r"[{}]"), ""),
    (re.compile(r"\*\*([^*]+)\*\*"), r" \1 "),
    (re.compile(r"([-+]?)(?:\\?\$|[€£¥￥])+"), r" \1"),
)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\s?/\s?[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|(?<!\.)\.[0-9]+)")
_DIGIT = re.compile(r"[0-9]")
_PERCENT = re.compile(r"\s*(?:\\?%|percent\b|per cent\b)", re.IGNORECASE)

# Only letters, Chinese characters and punctuation may surround the number: an operator would make it part of a formula.
_BEFORE = re.compile(r"[A-Za-z\u4e00-\u9fff\s,.:;?]*=?\s*")
_AFTER = re.compile(r"(?:[A-Za-z\u4e00-\u9fff\s,.:;?]|(?<=[A-Za-z])/(?=[A-Za-z]))*")
_FACTOR_BEFORE = re.compile(r"[A-Za-z]\Z|(?<![A-Za-z])[A-Za-z]\s+\Z")
_FACTOR_AFTER = re.compile(
    r"\s*[A-Za-z](?![A-Za-z])|\s*[多余几]?[十百千万亿](?![克米瓦])|.*半|.*\b(?:and|point)\b", re.IGNORECASE | re.DOTALL
)
_CHANGES_THE_NUMBER = re.compile(
    r"\b(?:or|not|neither|between|than|least|most|about|approximately|roughly|around|nearly|almost|except|minus|negative|plus|times|over|under"
    r"|squared|cubed|factorial|root|sqrt|pi|log|ln|sin|cos|tan|mod|half|quarters?|thirds?|tenths?|dozens?|hundreds?|thousands?|mil|bn|mn"
    r"|millions?|billions?|trillions?)\b|[或不非约近负]|至少|至多|以上|以下|大于|小于|超过|次方|平方根",
    re.IGNORECASE,
)


class NotOneNumber(ValueError):
    """The text does not state one number in a form that the verifier reads; the message says why."""


class SeveralNumbers(NotOneNumber):
    """The text states more than one number."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written: ``60%`` is the value 60 with ``percent``."""

    value: Fraction
    percent: bool = False

    def equals(self, other: Number) -> bool:
        """Exactly equal; a percentage also equals its hundredth if the other number has no percent sign."""
        if self.percent == other.percent or self.value == other.value:
            return self.value == other.value
        return self.value == other.value * 100 if self.percent else self.value * 100 == other.value


def verify_plain_number(problem: Problem, answer: str) -> Verdict:
    """Check that ``answer`` is the number ``problem.answer``. A gold answer that is not one number is an error, never a reward."""
    try:
        gold = parse_number(problem.answer or "")
    except NotOneNumber as error:
        return Verdict(None, "error", f"the gold answer: {error}")
    try:
        number = parse_number(answer)
    except SeveralNumbers as error:
        return Verdict(0.0, "wrong", str(error))
    except NotOneNumber as error:
        return Verdict(0.0, "unparsable", str(error))
    return Verdict(1.0, "correct") if number.equals(gold) else Verdict(0.0, "wrong", "another number")


def parse_number(text: str) -> Number:
    """The number that ``text`` states; raises `NotOneNumber`. Length and digits are bounded before parsing."""
    if len(text) > MAX_LENGTH:
        raise NotOneNumber(f"{len(text)} characters, at most {MAX_LENGTH}")
    boxes = offered_boxes(text)
    if len(boxes) > 1:
        raise SeveralNumbers("several boxes")
    plain = _plain(boxes[0] if boxes else text)
    match = _NUMBER.search(plain)
    if match is None:
        raise NotOneNumber("no number")
    before, after = plain[: match.start()], plain[match.end() :]
    if _DIGIT.search(after):
        raise SeveralNumbers("several numbers")
    percent = _PERCENT.match(after)
    after = after[percent.end() :] if percent else after
    _check_surroundings(before, after)
    return Number(_value(match.group()), percent is not None or before.rstrip().endswith("百分之"))


def _plain(text: str) -> str:
    text = text.translate(_FULL_WIDTH)
    if len(_DIGIT.findall(text)) > MAX_DIGITS:
        raise NotOneNumber(f"more than {MAX_DIGITS} digits")
    if any(unicodedata.category(c).startswith("N") for c in text if not c.isascii()):
        raise NotOneNumber("a foreign numeral")
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text


def _check_surroundings(before: str, after: str) -> None:
    if not _BEFORE.fullmatch(before) or not _AFTER.fullmatch(after):
        raise NotOneNumber("part of a formula")
    if _FACTOR_BEFORE.search(before) or _FACTOR_AFTER.match(after) or _CHANGES_THE_NUMBER.search(f"{before} {after}"):
        raise NotOneNumber("not a plain number")


def _value(text: str) -> Fraction:
    numerator, _, denominator = text.replace(",", "").partition("/")
    try:
        return Fraction(numerator.strip()) / Fraction(denominator.strip() or 1)
    except ZeroDivisionError:
        raise NotOneNumber("division by zero") from None
