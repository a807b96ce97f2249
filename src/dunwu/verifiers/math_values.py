r"""What an answer states: a number or expression, words, an equation or inequality, or a collection of such.

Read from cleaned text (`dunwu.verifiers.math_text`). ``(1,2)`` is a tuple in order, which may also be an open interval (the brackets
must agree), ``\{1,2\}`` a set, ``1, 2`` and ``1 or 2`` a bare list; ``3 \pm 2`` is a list of two; ``0 < x \le 1`` is an interval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate

from dunwu.verifiers.math_form import Form, normal_form
from dunwu.verifiers.math_syntax import Call, Node, Number, Product, Symbol, TooLarge, Unreadable, negate, parse

MAX_ITEMS = 100
DIVISION_BY_ZERO = "division by zero"
_OPENING, _CLOSING = "([{⦃‹", ")]}⦄›"
_PAIRS = dict(zip("([{⦃", ")]}⦄", strict=True))
_WORD_SEPARATOR = re.compile(r"(?<![A-Za-z])(?:and|or)(?![A-Za-z])|(?<=[0-9)}⦄\]])\s*[或和]\s*")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])|(?<![0-9.,/])[0-9]{1,3}(?: [0-9]{3})+(?![0-9,/])")
_RELATION = re.compile("[=<>≤≥≠]|\\\\approx(?![A-Za-z])")
_MATRIX = re.compile(r"\\begin\{([pbvV]?matrix|array)\}(?:\{[lcr| ]*\})?(.*)\\end\{\1\}", re.DOTALL)
_MEMBER = re.compile(r"\A[A-Za-z][A-Za-z0-9_{}, ()]{0,12}∈")
_BASED = re.compile(r"[(‹]?([0-9A-F]+(?:\.[0-9A-F]+)?)[)›]?_(?:\{\s*‹?([0-9]{1,2}|[a-z]+)›?\s*\}|([0-9]))")
_CHOICE = re.compile(r"[(\[]?\s*([A-Z])\s*[)\].:]?")

# No unit that is also a product of physics, such as mg, ms or kw: those are read in \text{} only.
_UNITS = (
    "mm|cm|dm|km|kg|lbs?|oz|ft|feet|foot|in|inch(?:es)?|yards?|miles?|mph|kph|kmh|hrs?|hours?|min|mins|minutes?|sec|secs|seconds?"
    "|days?|weeks?|months?|years?|cents?|dollars?|bucks|euros?|pounds?|yuan|rmb|usd|grams?|liters?|litres?|gallons?|meters?|metres?"
    "|centimeters?|kilometers?|degrees?|deg|rad|radians?|units?|sq|square|cubic|people|students?|points?|ways?|newtons?|joules?|watts?|volts?"
    "|hz|kpa|mol"
)
_BARE_UNIT = re.compile(
    rf"(?<=[0-9).}}\s])\s*(?:(?:{_UNITS})(?:\s*(?:/|per)\s*(?:{_UNITS}|[hs])|\s+(?:{_UNITS}))?)(?:\^\{{?[23]\}}?)?\s*\Z"
)
_TEXT_UNIT = re.compile(
    r"\s*\\frac\s*\{\s*‹[^›]*›\s*\}\s*\{\s*‹[^›]*›\s*\}\s*\Z|\s*‹([^›]*)›(?:\^\{?-?[0-9]\}?|\s*[*/·]\s*‹[^›]*›|\s*‹[^›]*›)*\s*\Z"
)
_ONLY_WORDS = re.compile(r"[(\[ ]*‹[^›]*›[)\] ]*")
_BARE_WORDS = re.compile("[A-Za-z]{3,}(?:[ '-][A-Za-z]+)*")
_NAME = re.compile(r"\\?[A-Za-z][A-Za-z_{}()'\\ ,|]*")
_CHANGING = re.compile(r"\b(?:not|neither|never|or|than|least|most|about|approximately|minus|negative|squared|cubed|half)\b", re.IGNORECASE)
"""Words around an expression that make it another one."""
_TRIGONOMETRIC = re.compile("sin|cos|tan|cot|sec|csc")
_LEADING_WORDS = re.compile(r"\s*‹[^›]*›\s*[:,]?\s*(?=\S)")
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_SCALE = re.compile(rf"\s*‹?\s*({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
_CJK_UNIT = re.compile(
    r"(?<=[0-9)}\s])\s*(?:千(?=[克米瓦卡]))?[瓦卡元个人只米岁天年月日时分秒克吨斤升度块条本支张页次种平方立厘毫公里小]{1,6}\Z"
)


@dataclass(frozen=True)
class Scalar:
    """One expression with its normal form; both ``None`` where the text is not in the grammar, too large or without a value."""

    text: str
    node: Node | None = None
    form: Form | None = None
    percent: bool = False
    unit: str = ""
    base: str = ""
    problem: str = ""
    """Why there is no node."""


@dataclass(frozen=True)
class Words:
    """A text answer."""

    text: str


@dataclass(frozen=True)
class Relation:
    """``sides[0] signs[0] sides[1] ...``; signs are of ``= < > ≤ ≥ ≠``."""

    sides: tuple[Value, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """``kind``: list, set, tuple, union, matrix. ``brackets`` of a tuple, such as ``"(]"``; ``columns`` of a matrix."""

    kind: str
    items: tuple[Value, ...]
    brackets: str = ""
    columns: int = 0
    variable: str = field(default="", compare=False)


Value = Scalar | Words | Relation | Collection


def readings(text: str) -> list[Value]:
    """All that the cleaned ``text`` may state: where commas can separate thousands or items, both."""
    joined = text if any(bracket in text for bracket in "([⦃") else _THOUSANDS.sub(lambda m: re.sub("[ ,]", "", m.group()), text)
    return [read(joined)] if joined == text else [read(joined), read(text)]


def read(text: str) -> Value:
    """The value that the cleaned ``text`` states; always one, be it an unread scalar."""
    text = text.strip()
    if "±" in text or "∓" in text:
        plus, minus = text.replace("±", "+").replace("∓", "-"), text.replace("±", "-").replace("∓", "+")
        return Collection("list", (read(plus), read(minus)))
    text = _MEMBER.sub("", text, count=1).strip()
    if text == "\\mathbbR":
        return Collection("tuple", _INFINITIES, "()")
    if matrix := _MATRIX.fullmatch(text):
        return _matrix(matrix.group(2))
    items = _split(_WORD_SEPARATOR.sub(",", text), ",;")
    if len(items) > 1:
        return _collection("list", items)
    parts = _split(text, "∪")
    if len(parts) > 1:
        return _collection("union", parts)
    if enclosed := _enclosed(text):
        return enclosed
    return _relation(text) or _scalar(text)


def _collection(kind: str, items: list[str], brackets: str = "") -> Value:
    if len(items) > MAX_ITEMS:
        return Scalar("", problem=f"more than {MAX_ITEMS} items")
    return Collection(kind, tuple(map(read, items)), brackets)


def _matrix(body: str) -> Value:
    rows = [row.split("&") for row in body.strip(" ¶").split("¶")]
    if len({len(row) for row in rows}) > 1 or len(rows) * len(rows[0]) > MAX_ITEMS:
        return Scalar(body, problem="a matrix with uneven rows, or too large a one")
    return Collection("matrix", tuple(read(cell) for row in rows for cell in row), columns=len(rows[0]))


def _split(text: str, separators: str) -> list[str]:
    """At separators outside all brackets; ``(`` may be closed by ``]`` as in intervals. Trailing separators are dropped."""
    parts, depth, start = [], 0, 0
    for place, mark in enumerate(text):
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING:
            depth -= 1
        elif depth == 0 and mark in separators:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in (*parts, text[start:]) if part.strip()]


def _enclosed(text: str) -> Value | None:
    """What stands in one pair of brackets, where that is more than a grouped expression."""
    if not text or text[0] not in _PAIRS or text[-1] not in _CLOSING or not _one_pair(text):
        return None
    inside, brackets = text[1:-1], text[0] + text[-1]
    items = _split(inside, ",;")
    if brackets in ("⦃⦄", "{}"):
        if brackets == "{}" and len(items) < 2:
            return read(inside)
        return _collection("set", _split(_WORD_SEPARATOR.sub(",", inside), ",;"))
    if len(items) > 1:
        return _collection("tuple", items, brackets)
    return read(inside) if len(brackets) == 2 and _RELATION.search(inside) else None


def _one_pair(text: str) -> bool:
    """Is the first bracket closed by the last?"""
    depth = 0
    for place, mark in enumerate(text):
        depth += (mark in _OPENING) - (mark in _CLOSING)
        if depth == 0:
            return place == len(text) - 1
    return False


def _relation(text: str) -> Value | None:
    depths = list(accumulate((mark in _OPENING) - (mark in _CLOSING) for mark in text))
    marks = [mark for mark in _RELATION.finditer(text) if depths[mark.start()] == 0]
    if not 0 < len(marks) < MAX_ITEMS:
        return None
    starts, ends = [0, *(mark.end() for mark in marks)], [*(mark.start() for mark in marks), len(text)]
    sides = tuple(_scalar_or_collection(text[start:end].strip()) for start, end in zip(starts, ends, strict=True))
    signs = tuple("=" if mark.group().startswith("\\") else mark.group() for mark in marks)
    return _interval(sides, signs) or Relation(sides, signs)


def _scalar_or_collection(text: str) -> Value:
    return _enclosed(text) or (_matrix(m.group(2)) if (m := _MATRIX.fullmatch(text)) else _scalar(text))


def _interval(sides: tuple[Value, ...], signs: tuple[str, ...]) -> Collection | None:
    """``0 < x ≤ 1`` and ``x > 2`` as intervals of their variable."""
    if not set(signs) <= set("<≤") and not set(signs) <= set(">≥"):
        return None
    if signs[0] in ">≥":
        sides, signs = sides[::-1], tuple("<" if sign == ">" else "≤" for sign in signs[::-1])
    if len(sides) == 2:
        if is_name(sides[0]):
            sides, signs = (_INFINITIES[0], *sides), ("<", *signs)
        elif is_name(sides[1]):
            sides, signs = (*sides, _INFINITIES[1]), (*signs, "<")
    if len(sides) != 3 or not is_name(sides[1]):
        return None
    low, name, high = sides
    brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    return Collection("tuple", (low, high), brackets, variable=name_of(name))


_INFINITY = Symbol("\\infty")
_INFINITIES = tuple(Scalar(text, node, normal_form(node)) for text, node in (("-\\infty", negate(_INFINITY)), ("\\infty", _INFINITY)))


def is_name(value: Value) -> bool:
    """Can ``value`` be the left-hand side of ``x = 5``: a symbol, a name such as ``AB`` or ``P(A)``, words?"""
    if isinstance(value, Words):
        return not _CHANGING.search(value.text)
    if not isinstance(value, Scalar):
        return isinstance(value, Collection) and value.kind == "tuple" and all(map(is_name, value.items))
    if value.node is None:
        return _NAME.fullmatch(value.text) is not None and not _CHANGING.search(value.text)
    return all(symbol not in ("pi", "i", "\\infty") for symbol in _symbols(value.node)) and _only_symbols(value.node)


def name_of(value: Value) -> str:
    """The name as compared: letters and digits only."""
    if isinstance(value, Collection):
        return ",".join(map(name_of, value.items))
    return re.sub(r"[\s{}\\‹›]", "", value.text) if isinstance(value, Scalar | Words) else ""


def _only_symbols(node: Node) -> bool:
    if isinstance(node, Product):
        return all(map(_only_symbols, node.factors))
    return isinstance(node, Symbol) or (isinstance(node, Call) and node.name == "abs" and _only_symbols(node.arguments[0]))


def _symbols(node: Node) -> Iterator[str]:
    if isinstance(node, Symbol):
        yield node.name
    elif isinstance(node, Product):
        for factor in node.factors:
            yield from _symbols(factor)


def _scalar(text: str) -> Value:
    """One expression with what may stand around it: unit, percent sign, base, words."""
    if based := _BASED.fullmatch(text):
        return replace(_expression(based.group(1)), base=based.group(2) or based.group(3))
    body, unit, factor = _without_unit(text)
    percent = body.endswith("%")
    body = body.removesuffix("%").strip()
    leading = _LEADING_WORDS.match(body)
    if leading and not body.endswith("›"):
        body = body[leading.end() :]
    if body.startswith("‹") or not body or _ONLY_WORDS.fullmatch(text):
        return Words(text)
    if _CHANGING.search(unit) or (leading and _CHANGING.search(leading.group())):
        return Scalar(text, problem="words that change the number")
    if body.endswith("°") and not _TRIGONOMETRIC.search(body):
        body, unit = body[:-1], unit or "°"
    scalar = replace(_expression(_ratio(body)), percent=percent, unit=unit)
    if scalar.node is None and _BARE_WORDS.fullmatch(text):
        return Words(text)
    return scalar if factor == 1 else times(scalar, Number(Fraction(factor)))


def times(scalar: Scalar, factor: Node) -> Scalar:
    """The product; an unread scalar stays unread."""
    if scalar.node is None:
        return scalar
    node = Product((scalar.node, factor))
    return replace(scalar, node=node, form=normal_form(node))


def _expression(text: str) -> Scalar:
    try:
        node = parse(text)
        return Scalar(text, node, normal_form(node))
    except (Unreadable, TooLarge) as error:
        return Scalar(text, problem=str(error))
    except RecursionError:  # the caller may have left us little of the stack
        return Scalar(text, problem="nested too deeply")
    except ZeroDivisionError:
        return Scalar(text, problem=DIVISION_BY_ZERO)


def _without_unit(text: str) -> tuple[str, str, int]:
    """The expression, the unit behind it, and the factor of words such as million."""
    match = _TEXT_UNIT.search(text) or _BARE_UNIT.search(text) or _CJK_UNIT.search(text)
    if match is None or match.start() == 0:
        scale = re.search(rf"(?<=[0-9])\s*({'|'.join(_SCALES)})\Z", text, re.IGNORECASE)
        return (text[: scale.start()], "", _SCALES[scale.group(1).lower()]) if scale else (text, "", 1)
    unit = match.group().strip(" ‹›")
    scale = _SCALE.match(match.group())
    return text[: match.start()].strip(), unit, _SCALES[scale.group(1).lower()] if scale else 1


def _ratio(text: str) -> str:
    left, colon, right = text.partition(":")
    clock = right.startswith("0") and len(right) == 2
    return f"({left})/({right})" if colon and ":" not in right and not clock else text
