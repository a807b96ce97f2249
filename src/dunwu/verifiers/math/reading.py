r"""Read what an answer states: a number or expression, words, an equation or inequality, or a collection of these.

The input is cleaned text (`dunwu.verifiers.math.text`). ``(1,2)`` is an ordered tuple, which may also be an open interval (the brackets
must agree), ``\{1,2\}`` a set, ``1, 2`` and ``1 or 2`` a bare list; ``3 \pm 2`` is a list of two; ``0 < x \le 1`` is an interval. Words
before an expression are its label, words after it its unit; words that make it another number (``twice``, ``is wrong``) leave it unread.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from dunwu.verifiers.math.brackets import CLOSING, OPENING, one_pair, split
from dunwu.verifiers.math.form import Form, normal_form
from dunwu.verifiers.math.forms import Tagged, tagged
from dunwu.verifiers.math.labels import short_labels
from dunwu.verifiers.math.ordinals import ordinal_value
from dunwu.verifiers.math.policy import MathPolicy
from dunwu.verifiers.math.prose import only_formula, spoken_number
from dunwu.verifiers.math.scalar import CHANGED, of_number, read_scalar
from dunwu.verifiers.math.sentence import changes, disturbs, keeps
from dunwu.verifiers.math.syntax import Call, Node, Number, Power, Product, Sum, Symbol, negate
from dunwu.verifiers.math.text import clean, with_binomials
from dunwu.verifiers.math.units import currencies
from dunwu.verifiers.math.values import (
    INFINITIES,
    Collection,
    Relation,
    Scalar,
    Value,
    Words,
    infinite,
    is_name,
    name_of,
    solve,
    symbols,
    unread,
)

MAX_ITEMS = 100
MAX_MARKS = 4
"""Colons and membership signs in one value: each is read recursively."""
_PAIRS = dict(zip("([{⦃", ")]}⦄", strict=True))
_OR = re.compile(r"(?<![A-Za-z])or(?![A-Za-z])|(?<=[0-9)}⦄\]])\s*或\s*")
_AND = re.compile(r"(?<![A-Za-z])and(?![A-Za-z])|(?<=[0-9)}⦄\]])\s*和\s*")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])|(?<![0-9.,/])[0-9]{1,3}(?: [0-9]{3})+(?![0-9,/])")
_RELATION = re.compile("[=<>≤≥≠≈]")
_ENVIRONMENT = re.compile(
    r"([(\[|⦃]?)\s*\\begin\{((?:[pbvVB]|small)?matrix|array|cases|aligned|align\*?|gathered|split)\}(?:\{[lcr|@\s]*\})?"
    r"(.*)\\end\{\2\}\s*([)\]|⦄]?)",
    re.DOTALL,
)
_SYSTEMS = ("cases", "aligned", "align", "align*", "gathered", "split")
_MEMBER = re.compile(r"\A[A-Za-z][A-Za-z0-9_{}, ()]{0,12}∈")
_POINT = re.compile(r"\A([A-Z])\s*(?=\([^()]*,[^()]*\)\Z)")
_MONEY = re.compile(r"\s*-?(?:\\\$|\$)\s?[0-9][0-9,]*(?:\.[0-9]+)?\s*\Z")
_REAL_MEMBER = re.compile(r"[,⋀]\s*[A-Za-z]\s*∈\s*\\mathbbR\s*\Z")
_BUILDER = re.compile(r"\A\s*([A-Za-z])\s*(?:∈\s*(?:\\mathbb[RZNQC]|R)\s*)?[|:]\s*(\S.*)\Z", re.DOTALL)
_INTEGERS = r"‹?\s*(?:is\s+|are\s+|为|是)?(?:an?\s+|any\s+|some\s+)?(?:integers?|整数)\s*›?"
_PARAMETER = re.compile(
    r"(?<![\s,(⋀])[\s,(⋀]*+(?:‹?\s*(?:where|with|for(?:\s+(?:all|any|some|every|each))?|any|其中)(?:\s+integers?)?\s*›?)?[\s(]*"
    rf"(?:([A-Za-z])\s*(?:∈\s*(?:\\mathbb[ZN]|Z)\s*(?:[*]|\^\{{?[+*]\}}?)?|{_INTEGERS})|(?<=integer)\s*›?\s*([A-Za-z])|(?<=integers)\s*›?\s*([A-Za-z]))\s*\)?\s*\Z"
)
_QUANTIFIER = re.compile(r"[\s,]*‹?\s*\bfor\s+(?:all|every|any)(?:\s+real)?(?:\s+numbers?)?\s*›?\s*[a-z]\s*(?:∈\s*\\mathbbR)?\s*\Z")
_EMPTY = re.compile(
    r"\\emptyset|⦃\s*⦄|‹?\s*(?:there\s+(?:is|are)\s+)?(?:the\s+)?(?:no\s+(?:real\s+)?(?:solutions?|roots?)(?:\s+exists?)?|(?:an\s+)?empty\s+set|无(?:实数)?解|空集)\s*›?",
    re.IGNORECASE,
)
_REALS = re.compile(
    r"\\mathbbR|(?:‹\s*)?(?:all|any|every)\s+real(?:\s+numbers?|\s+values?|s)?(?:\s*›)?|(?:全体|所有|一切)实数", re.IGNORECASE
)
_HALF_LINE = re.compile(r"\\mathbbR\s*(?:\^\s*\{?\s*([-+])\s*\}?|_\s*\{\s*([<>≤≥])\s*0\s*\})")
_REALS_EXCEPT = re.compile(
    r"(?:‹\s*)?(?:all|any|every)\s+reals?(?:\s+(?:numbers?|values?))?(?:\s+of)?(?:\s+x)?,?\s+(?:except|excluding|other\s+than|but|besides)"
    r"(?:\s+for)?\s*›?\s*(?:x\s*=)?\s*(\S[^=]*)"
)
_CONDITIONED = re.compile(r"\A\s*([A-Za-z])\s*∈[^=]*[,⋀;]\s*\1\s*[≠<>≤≥∈∉]")
_OUTSIDE = re.compile(r"\A\s*([A-Za-z])\s*∉\s*(\S.*)\Z", re.DOTALL)
_LETTER_UNIT = re.compile(
    r"(?<=[0-9)}\s])\s*(?:(?:[kcdmµμ]?[mgsLlJNWVAKTC]|\\?Ω|\\Omega|h|Hz|Pa|kPa|mol|eV|min)(?:\s*\^\s*\{?\s*-?[1-3]\s*\}?)?(?:\s*[*/]?\s*(?=[A-Za-z])|\s*\Z)){1,3}\Z"
)
"""Units of a few letters: a product if the other side has letters, otherwise a unit."""
_LABEL = re.compile(
    r"\A\s*(?:‹([^›]*?)\s*[:：=]\s*›|(‹[^›]*›|[A-Za-z][A-Za-z' -]{1,40}|[A-Z](?=\s*:\s*[-0-9\\]))\s*[:：])\s*(\S.*)\Z", re.DOTALL
)
_UNOPENED = re.compile(r"(?<![^\s,;⋀])([A-Za-z]|[ivx]{2,5}|[0-9]{1,2})\)")
_LETTERED = re.compile(r"(?:[A-Z]|\((?:[A-Ha-h]|[ivx]{1,5}|[0-9]{1,2})\))\s*[:.]?\s+(?=[-0-9\\])")
_ROW = re.compile(rf"(?<=[^\s,;])[.;]?\s+(?={_LETTERED.pattern})")
"""The space between labelled items that were on separate lines."""


def readings_of_pair(gold: str, answer: str, policy: MathPolicy) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """All readings of a gold and of an answer. A letter is a unit (``12 m²``) only if the other side has no letters."""
    golds, founds = gold_readings(gold, policy), readings(answer, policy.full_width, policy.trailing_text, spoken=True)
    if (place := ordinal_value(gold)) and (other := ordinal_value(answer)):  # 3rd and third
        return (*golds, place), (*founds, other)
    tags = tuple(value for value in golds if isinstance(value, Tagged))
    if any(tag.exclusive for tag in tags):
        return tags, founds
    more_golds = () if _letters(founds) else _with_letter_unit(gold, policy.full_width)
    more_founds = () if _letters(golds) else _with_letter_unit(answer, policy.full_width)
    return golds + more_golds, founds + more_founds


def gold_readings(text: str, policy: MathPolicy) -> tuple[Value, ...]:
    """All readings of a gold; ``two lines`` is words, not 2."""
    return readings(text, policy.full_width, policy.trailing_text, spoken=False)


@lru_cache(maxsize=8192)
def readings(text: str, full_width: bool, prose: bool, spoken: bool) -> tuple[Value, ...]:
    """All readings of the raw ``text``: commas as separators of thousands and of items, special notations, a sentence."""
    special = tagged(text)
    plain = clean(text, full_width)
    joined = plain if any(bracket in plain for bracket in "([⦃") else _THOUSANDS.sub(lambda m: re.sub("[ ,]", "", m.group()), plain)
    if labelled := labelled_list(joined):
        return (labelled,)
    found = [read(joined)]
    if joined != plain and not re.search(r"[, ]0", plain):
        found.append(read(plain))
    if _MONEY.match(text) and isinstance(found[0], Scalar):
        found = [replace(found[0], unit="dollars")]
    if (declared := _PARAMETER.search(plain)) and declared.start() and (name := _name_of(declared)) != "k":
        found.append(read(re.sub(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])", "k", plain[: declared.start()])))
    if (combinations := with_binomials(plain)) != plain:
        found.append(read(combinations))
    dated = any(tag.kind == "literal" for tag in special)
    if prose and not dated and (sentence := _sentence(joined, spoken, money=bool(currencies(text)))) is not None:
        found.append(sentence)
    return (*special, *found)


def read(text: str) -> Value:
    """The value of the cleaned ``text``, an unread scalar if nothing else."""
    text = text.strip()
    for condition in (_PARAMETER, _QUANTIFIER):
        if (declared := condition.search(text)) and declared.start():
            text = text[: declared.start()]
    conditions = _CONDITIONED.match(_AND.sub("⋀", text)) is not None
    if not conditions and text.count("∈") <= MAX_MARKS and (member := _MEMBER.match(text)):
        value = read(text[member.end() :])
        if not isinstance(value, Collection) or value.kind != "tuple":
            return value
        return replace(value, variable=name_of(read_scalar(member.group()[:-1])))
    if point := _POINT.match(text):
        return Relation((Words(point.group(1)), read(text[point.end() :])), ("=",))
    if _REALS.fullmatch(text):
        return Collection("tuple", INFINITIES, "()")
    if half := _HALF_LINE.fullmatch(text):
        return _half_line(half.group(1) or half.group(2))
    if excepted := _REALS_EXCEPT.fullmatch(text):
        points = split(_AND.sub(",", _OR.sub(",", excepted.group(1))), ",;")
        return Collection("minus", (Collection("tuple", INFINITIES, "()"), _collection("set", points)))
    if _EMPTY.fullmatch(text):
        return Collection("set", ())
    if environment := _ENVIRONMENT.fullmatch(text):
        return _environment(*environment.groups())
    linked = _AND.sub("⋀", _OR.sub("⋁", text))
    items = split(linked, ",;⋁⋀")
    if len(items) > 1:
        return _collection("list", items, "⋁" if "⋁" in linked else "⋀" if "⋀" in linked else "")
    for kind, mark in (("union", "∪"), ("minus", "∖")):
        parts = split(text, mark)
        if len(parts) > 1:
            return _collection(kind, parts)
    if outside := _OUTSIDE.match(text):
        whole = Collection("tuple", INFINITIES, "()", variable=outside.group(1))
        return Collection("minus", (whole, read(outside.group(2))), variable=outside.group(1)) if text.count("∉") == 1 else Scalar(text)
    if enclosed := _enclosed(text):
        return enclosed
    if "±" in text or "∓" in text:
        plus, minus = text.replace("±", "+").replace("∓", "-"), text.replace("±", "-").replace("∓", "+")
        return Collection("list", (read(plus), read(minus)))
    return _relation(text) or _labelled(text) or read_scalar(text)


def labelled_list(text: str) -> Collection | None:
    """A list whose items have labels of one letter or number, from the cleaned text: ``A: 5, B: 7``."""
    if _UNOPENED.match(text):
        text = _UNOPENED.sub(r"(\1)", text)
    if _LETTERED.match(text):
        text = _ROW.sub(", ", text)
    named = short_labels(split(_AND.sub("⋀", text), ",;⋀"))
    items = tuple(Relation((Words(name), _item(value)), ("=",)) for name, value in named)
    return Collection("list", items) if 0 < len(items) <= MAX_ITEMS else None


def _half_line(sign: str) -> Collection:
    zero = Scalar("0", Number(Fraction(0)), normal_form(Number(Fraction(0))))
    items = (zero, INFINITIES[1]) if sign in "+>≥" else (INFINITIES[0], zero)
    return Collection("tuple", items, "[)" if sign == "≥" else "(]" if sign == "≤" else "()")


def _collection(kind: str, items: list[str], brackets: str = "") -> Value:
    if len(items) > MAX_ITEMS:
        return Scalar("", problem=f"more than {MAX_ITEMS} items")
    values: list[Value] = []
    for text in items:
        value = _item(text)
        values.extend(value.items if isinstance(value, Collection) and value.kind == "list" and "±" in text else (value,))
    return Collection(kind, tuple(values), brackets)


def _name_of(declared: re.Match[str]) -> str:
    return next(group for group in declared.groups() if group)


def _item(text: str) -> Value:
    """One of several values; it may be a sentence (``Alice has 5``)."""
    value = read(text)
    unread = isinstance(value, Scalar) and value.node is None
    return (_sentence(text, item=True) if unread else None) or value


def _sentence(text: str, spoken: bool = True, item: bool = False, money: bool = False) -> Value | None:
    """The value of the only formula in a sentence, or of the only number spelled in it; ``None`` if there is none or several."""
    if prose := only_formula(text):
        before, after, value = prose.before, prose.after, read(prose.formula)
    elif spoken and (found := spoken_number(text)):
        before, number, after = found
        value = of_number(text, number)
    else:
        return None
    if disturbs(before, after) or (changes(before, after) if item else not keeps(before, after, money)):
        return Scalar(text, problem=CHANGED)
    if unread(value):
        return None
    if not isinstance(value, Scalar):
        return value
    value = replace(value, unit=value.unit or after)
    return Relation((Words(before), value), ("=",)) if before else value


def _environment(opening: str, name: str, body: str, closing: str) -> Value:
    """A matrix, a determinant, or a system of equations as a list."""
    rows = [row for row in body.strip(" ¶").split("¶") if row.strip(" &") or name not in _SYSTEMS]
    if name in _SYSTEMS or (name in ("array", "matrix") and opening == "⦃"):
        return _collection("list", [_system_row(row) for row in rows]) if len(rows) > 1 else read(_system_row(rows[0] if rows else ""))
    cells = [row.split("&") for row in rows]
    if len({len(row) for row in cells}) > 1 or len(cells) * len(cells[0]) > MAX_ITEMS:
        return Scalar(body, problem="a matrix with uneven rows, or too large a one")
    if name == "array" and not opening and len(cells[0]) == 1 and len(rows) > 1 and all(map(_RELATION.search, rows)):
        return _collection("list", [row.strip(" ,") for row in rows])
    kind = "determinant" if name in ("vmatrix", "Vmatrix") or (name in ("array", "matrix") and opening == "|") else "matrix"
    return Collection(kind, tuple(read(cell) for row in cells for cell in row), columns=len(cells[0]))


def _system_row(row: str) -> str:
    """A row of a system; in a piecewise function the value and its condition are a pair."""
    cells = row.split("&")
    if len(cells) == 2 and not _RELATION.match(cells[1].strip()) and not _RELATION.search(cells[0]):
        condition = re.sub(r"‹\s*(?:if|for|when|where|otherwise)\s*›", "", cells[1]).strip(" ,") or "otherwise"
        return f"({cells[0].strip(' ,')}, {condition})"
    return "".join(cells).strip(" ,")


def _enclosed(text: str) -> Value | None:
    """The value in one pair of brackets; ``None`` if they only group an expression."""
    if not text or text[0] not in _PAIRS or text[-1] not in CLOSING or not one_pair(text):
        return None
    inside, brackets = text[1:-1], text[0] + text[-1]
    items = split(inside, ",;")
    if brackets in ("⦃⦄", "{}"):
        if brackets == "{}" and len(items) < 2:
            return read(inside)
        if brackets == "{}":
            inside = ",".join(f"⦃{item.strip()[1:-1]}⦄" if re.fullmatch(r"\s*\{.*\}\s*", item) else item for item in items)
        if builder := _BUILDER.match(inside):
            return read(_REAL_MEMBER.sub("", builder.group(2)))
        return _collection("set", split(_AND.sub(",", _OR.sub(",", inside)), ",;⋀⋁"))
    if len(items) > 1:
        return _collection("tuple", items, brackets)
    return read(inside) if len(brackets) == 2 and _RELATION.search(inside) else None


def _relation(text: str) -> Value | None:
    depths = list(accumulate((mark in OPENING) - (mark in CLOSING) for mark in text))
    marks = [mark for mark in _RELATION.finditer(text) if depths[mark.start()] == 0]
    if not 0 < len(marks) < MAX_ITEMS:
        return None
    starts, ends = [0, *(mark.end() for mark in marks)], [*(mark.start() for mark in marks), len(text)]
    sides = tuple(_scalar_or_collection(text[start:end].strip()) for start, end in zip(starts, ends, strict=True))
    signs = tuple(mark.group() for mark in marks)
    return _distance(sides, signs) or _interval(sides, signs) or Relation(sides, signs)


def _scalar_or_collection(text: str) -> Value:
    environment = _ENVIRONMENT.fullmatch(text)
    return _enclosed(text) or (_environment(*environment.groups()) if environment else read_scalar(text))


def _labelled(text: str) -> Value | None:
    """``Alice: 5`` as an equation with the label on the left."""
    match = _LABEL.match(text) if text.count(":") <= MAX_MARKS else None
    label = "" if match is None else (match.group(1) or match.group(2) or "").strip("‹› ")
    return Relation((Words(label), read(match.group(3))), ("=",)) if match is not None and label else None


def _interval(sides: tuple[Value, ...], signs: tuple[str, ...]) -> Collection | None:
    """``0 < x ≤ 1``, ``x > 2`` and ``-x > -1`` as intervals of their variable."""
    if not set(signs) <= set("<≤") and not set(signs) <= set(">≥"):
        return None
    if signs[0] in ">≥":
        sides, signs = sides[::-1], tuple("<" if sign == ">" else "≤" for sign in signs[::-1])
    if len(sides) == 2:
        if is_name(sides[0]) or (solve(sides[0]) and not solve(sides[1])):
            sides, signs = (INFINITIES[0], *sides), ("<", *signs)
        else:
            sides, signs = (*sides, INFINITIES[1]), (*signs, "<")
    if len(sides) != 3:
        return None
    low, middle, high = sides
    if not is_name(middle):
        solved = solve(middle)
        if solved is None or not isinstance(low, Scalar) or not isinstance(high, Scalar):
            return None
        name, factor, constant = solved
        low, high = (_shifted(end, constant, factor) for end in (low, high))
        if factor < 0:
            low, high, signs = high, low, signs[::-1]
        middle = name
    brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    return Collection("tuple", (low, high), brackets, variable=name_of(middle))


def _distance(sides: tuple[Value, ...], signs: tuple[str, ...]) -> Value | None:
    """``|x-2| < 3`` as an interval, ``|x-2| > 3`` as a union of two."""
    if len(sides) != 2 or signs[0] not in "<≤>≥":
        return None
    left, right = sides
    if not isinstance(left, Scalar) or not isinstance(left.node, Call) or left.node.name != "abs":
        return None
    if not isinstance(right, Scalar) or right.node is None:
        return None
    inside = Scalar(left.text.strip("| "), left.node.arguments[0], normal_form(left.node.arguments[0]))
    below = Scalar("", negate(right.node), normal_form(negate(right.node)))
    if signs[0] in "<≤":
        return _interval((below, inside, right), signs * 2)
    ends = _interval((inside, below), ("<" if signs == (">",) else "≤",)), _interval((inside, right), signs)
    return Collection("union", (ends[0], ends[1]), variable=ends[0].variable) if ends[0] and ends[1] else None


def _shifted(end: Scalar, constant: Form, factor: Fraction) -> Scalar:
    """``(end - constant) / factor``; an infinite end changes only its sign."""
    if sign := infinite(end):
        return INFINITIES[(sign > 0) == (factor > 0)]
    if end.node is None:
        return end
    node: Node = Product((Sum((end.node, Product((Number(Fraction(-1)), form_node(constant))))), Number(1 / factor)))
    return Scalar(end.text, node, normal_form(node))


def form_node(form: Form) -> Node:
    """An expression with the normal form ``form``."""
    terms: list[Node] = []
    for (radicand, powers), coefficient in form.terms.items():
        root = Call("root", (Number(Fraction(radicand)), Number(Fraction(2))))
        terms.append(Product((Number(coefficient), root, *(Power(Symbol(name), Number(exponent)) for name, exponent in powers))))
    return Sum(tuple(terms)) if terms else Number(Fraction(0))


def _letters(values: tuple[Value, ...]) -> bool:
    """True if an expression in ``values`` contains a letter or is unread."""
    return any(_has_letters(value) for value in values)


def _has_letters(value: Value) -> bool:
    match value:
        case Scalar():
            return value.node is None or any(name not in ("pi", "i", "e", "\\infty") for name in symbols(value.node))
        case Collection():
            return any(map(_has_letters, value.items))
        case Relation():
            return any(map(_has_letters, value.sides[1:]))
    return False


def _with_letter_unit(text: str, full_width: bool) -> tuple[Value, ...]:
    plain = clean(text, full_width)
    match = _LETTER_UNIT.search(plain)
    if match is None or match.start() == 0:
        return ()
    value = read(plain[: match.start()])
    return (replace(value, unit=match.group().strip()),) if isinstance(value, Scalar) and value.node is not None else ()
