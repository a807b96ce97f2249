r"""Answers in special notations: clock times, durations, remainders, dimensions, numerals of another base, sequences.

None of them is arithmetic: ``6:00 PM`` is not a quotient, ``17 R 2`` not a product, ``5 7 2 4`` not a list in any order. A gold in such a
notation matches only answers in the same notation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import starmap

from dunwu.verifiers.math.units import NAMES, Unit, unit_scale


@dataclass(frozen=True)
class Tagged:
    """A reading in a special notation, compared by its ``key``.

    ``kind``: clock, quantity, remainder, dimensions, product (of matrices, of vectors), (clock) ratio, based, sequence, grid or literal.
    ``exclusive``: a gold with this reading has no other.
    """

    kind: str
    key: tuple[object, ...]
    exclusive: bool = field(default=True, compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class Side:
    """One of several dimensions; its unit is ``None`` if it has none of known scale."""

    length: Fraction
    unit: Unit | None


_NUMBER = r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?"
_WRAPPED = re.compile(r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|texttt|operatorname)\s*\{([^{}]*)\}")
_SPACES = re.compile(r"\\[,;:! ]|\\q?quad(?![A-Za-z])|~|[ \t]+")
_CLOCK = re.compile(
    r"(?:at\s+|(上午|早上|凌晨|下午|晚上|中午)\s*)?([0-9]{1,2})(?:\s*[:：]\s*([0-9]{2})(?:\s*:\s*([0-9]{2}))?)?\s*(?:o'?clock)?\s*"
    r"(?:(a\.?\s?m\b\.?|p\.?\s?m\b\.?|in the (?:morning|afternoon|evening)|at night|noon|midnight)|点(?:整)?)?",
    re.IGNORECASE,
)
_MORNING, _AFTERNOON = ("am", "上午", "早上", "凌晨", "in the morning", "midnight"), ("pm", "下午", "晚上", "中午", "noon")
_PART = re.compile(rf"\s*(?:,|and)?\s*({_NUMBER})\s*({NAMES})(?![A-Za-z])\s*\.?", re.IGNORECASE)
_REMAINDER = re.compile(
    rf"(?:quotient\s*(?:of|is|=|:)?\s*)?({_NUMBER})\s*,?\s*(?:R|r|rem\.?|(?:with\s+)?(?:a\s+)?remainder(?:\s+(?:of|is)|\s*[=:])?|余数?|…|\.{{3,6}})"
    rf"\s*({_NUMBER})"
)
_BY = re.compile(r"(?<=[0-9A-Za-z.])\s*(?:(?P<sign>[×*])|(?:[xX]|by)(?![A-Za-z]))\s*(?=-?[0-9])")
_SIDE = re.compile(rf"({_NUMBER})\s*({NAMES}|units?)?", re.IGNORECASE)
_LETTER = re.compile("[A-Za-z]")
_RATIO = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:\s*:\s*[0-9]+(?:\.[0-9]+)?){1,9}")
_LITERAL = re.compile(r"(-?)0([xbo])([0-9a-f]+)", re.IGNORECASE)
_BASED = re.compile(
    r"(-?)\(?([0-9A-Fa-f]+(?:\.[0-9A-Fa-f]+)?)\)?\s*"
    r"(?:_\s*(?:\{\s*([0-9]{1,2}|[a-z]+)\s*\}|([0-9]))|\s(?:in )?base ([0-9]{1,2}|[a-z]+))"
)
_BASE_WORDS = {word: value for value, word in enumerate(["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=2)}
_BASE_WORDS |= {"twelve": 12, "sixteen": 16}
_LITERAL_BASES = {"x": 16, "b": 2, "o": 8}
_SEQUENCE = re.compile(rf"[(\[{{<]?\s*({_NUMBER}(?:\s+{_NUMBER})+)\s*[)\]}}>]?")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?: [0-9]{3})+(?:\.[0-9]+)?")
_MIXED = re.compile(r"-?[0-9]{1,3}(?: [0-9]{3})*\s+[0-9]+/[0-9]+|-?[0-9]+\s+[0-9]+/[0-9]+")
_TEXT_LIKE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}|[0-9]+(?:\.[0-9]+){2,}|[0-9]{3,4}-[0-9]{3,4}-[0-9]{4}"
)
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
    r"\.?"
)
_DATE = re.compile(
    rf"(?:{_MONTH}\s+([0-9]{{1,2}})(?:st|nd|rd|th)?|([0-9]{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH})(?:,?\s+([0-9]{{4}}))?",
    re.IGNORECASE,
)
_FACTOR = r"(?:[A-Z](?:\^(?:\{\s*(?:-1|T|\\top|\*|H)\s*\}|T|\\top|\*)|')?)"
_MATRICES = re.compile(rf"(?:{_FACTOR}[\s·*]*){{2,8}}")
_MATRIX_SUM = re.compile(rf"-?\s*{_FACTOR}{{2,4}}(?:\s*[+-]\s*{_FACTOR}{{2,4}}){{1,8}}")
_VECTOR = r"\\(?:vec|mathbf|boldsymbol|bm|overrightarrow|hat)\s*(?:\{\s*\w{1,4}\s*\}|\w)"
_VECTORS = re.compile(rf"{_VECTOR}(?:\s*×\s*{_VECTOR})+")
_SHAPE = re.compile(r"\s+(?:matri(?:x|ces)|grid|board|rectangle|array|table|box|block|cuboid|tile|lattice|prism)s?\Z", re.IGNORECASE)
_ROMAN = re.compile(r"[‹\s]*[(\[]?[‹\s]*([ivxlcdm]+|[IVXLCDM]+)[›\s]*[)\]]?[›\s]*")
_NUMERAL = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
MAX_CELLS = 400


def tagged(text: str) -> tuple[Tagged, ...]:
    """All readings of the raw ``text`` in special notations. Takes linear time."""
    plain = _plain(text)
    if plain.casefold() in ("noon", "midnight"):
        return (Tagged("clock", (720, 0, "pm") if plain.casefold() == "noon" else (0, 0, "am")),)
    if ordered := _ordered_product(" ".join(_spaced(text).split())):
        return (ordered,)
    if not any(map(str.isdigit, plain)):
        return ()
    if grid := _grid(plain):
        return (grid,)
    flat = " ".join(plain.split())
    flat = re.sub(r"\s\((base \w+)\)\Z", r" \1", flat)
    if based := _based(flat):
        return (based,)
    forms: tuple[Callable[[str], Tagged | None], ...] = (_literal, _clock, _remainder, _quantity, _dimensions, _ratio, _sequence)
    return tuple(found for form in forms if (found := form(flat)))


def _spaced(text: str) -> str:
    text = text.replace("\\times", "×").replace("\\cdot", "·")
    return re.sub(r"\\?\$|\\[()\[\]]|\\left|\\right", "", _SPACES.sub(" ", text)).strip(" .\n")


def _ordered_product(text: str) -> Tagged | None:
    """Products whose factors do not commute: cross products, matrices with one inverted or transposed, and ``AB - BA``."""
    if _VECTORS.fullmatch(text):
        return Tagged("product", tuple(re.sub(r"[\s{}]", "", factor) for factor in text.split("×")))
    if sums := _MATRIX_SUM.fullmatch(text):
        terms = re.findall(rf"([+-]?)\s*({_FACTOR}{{2,4}})", sums.group())
        if len({"".join(sorted(factors)) for _, factors in terms}) < len({factors for _, factors in terms}):
            return Tagged("product", tuple(sorted((sign or "+", factors) for sign, factors in terms)))
    factors = re.findall(_FACTOR, text) if _MATRICES.fullmatch(text) else []
    return Tagged("product", tuple(re.sub(r"[\s{}]", "", factor) for factor in factors)) if any(len(one) > 1 for one in factors) else None


def _plain(text: str) -> str:
    text = text.replace("\\times", "×").replace("\\colon", ":").replace("{:}", ":").replace("\\dots", "…").replace("\\cdots", "…")
    text = re.sub(r"\\?\$|\\[()\[\]]|\*\*|\\left|\\right", "", _WRAPPED.sub(r"\1", text))
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.strip().splitlines()).strip().rstrip(".")


def same_sides(one: Tagged, other: Tagged) -> bool:
    """Sides of the same lengths, in order; a side without a unit of known scale matches its number in any unit."""
    return len(one.key) == len(other.key) and all(starmap(_same_side, zip(one.key, other.key, strict=True)))


def _same_side(one: object, other: object) -> bool:
    assert isinstance(one, Side)
    assert isinstance(other, Side)
    if one.unit is None or other.unit is None:
        return one.length == other.length
    return one.unit[0] == other.unit[0] and one.length * one.unit[1] == other.length * other.unit[1]


def number(text: str) -> Fraction:
    """The value of plain digits; a fraction with denominator 0 counts as its numerator."""
    top, _, bottom = text.replace(",", "").partition("/")
    return Fraction(top) / (Fraction(bottom or 1) or 1)


def _based(text: str) -> Tagged | None:
    if match := _LITERAL.fullmatch(text):
        base, digits = _LITERAL_BASES[match.group(2).casefold()], match.group(1) + _digits(match.group(3))
        bare = match.group(1) + match.group(3) if any(map(str.isalpha, match.group(3))) else ""
        return Tagged("based", (base, digits), text=bare) if all(int(d, 16) < base for d in match.group(3)) else None
    match = _BASED.fullmatch(text)
    if match is None:
        return None
    named = match.group(3) or match.group(4) or match.group(5)
    base = int(named) if named.isdigit() else _BASE_WORDS.get(named, 0)
    values = [int(char, 16) for char in match.group(2) if char != "."]
    if base < 2 or max(values) >= base or not (any(map(str.isdigit, match.group(2))) or base == 16):
        return None
    return Tagged("based", (base, match.group(1) + _digits(match.group(2))), text=match.group(1) + match.group(2))


def _digits(text: str) -> str:
    return (text.lstrip("0") or "0").casefold()


def roman(text: str) -> int | None:
    """The value of the cleaned ``(iv)`` or ``xl``; without brackets only i, v, x and l are read, since ``cd`` is a product."""
    match = _ROMAN.fullmatch(text)
    digits = match.group(1).casefold() if match else ""
    if len(digits) < 2 or not _NUMERAL.fullmatch(digits) or not (text.lstrip("‹ ")[0] in "([" or set(digits) <= set("ivxl")):
        return None
    values = [_ROMAN_DIGITS[digit] for digit in digits]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def _literal(text: str) -> Tagged | None:
    """Digits and signs that are not arithmetic: dates, telephone and version numbers."""
    if date := _DATE.fullmatch(text):
        day, month, year = date.group(2) or date.group(3), date.group(1) or date.group(4), date.group(5)
        return Tagged("literal", (month[:3].casefold(), int(day), year))
    return Tagged("literal", (text,)) if _TEXT_LIKE.fullmatch(text) else None


def _clock(text: str) -> Tagged | None:
    """A time of day: minutes since midnight, seconds, and the half of the day if known."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    before, hours, minutes, seconds, after = match.groups()
    said = re.sub(r"[.\s]", "", after).casefold() if after and len(after) < 6 else (after or "").casefold()
    half = "am" if (before or said) in _MORNING else "pm" if before or said else ""
    marked = bool(half) or text.endswith(("点", "点整")) or "clock" in text
    if not (marked or minutes) or int(hours) > (12 if half and not before else 24) or int(minutes or 0) > 59 or int(seconds or 0) > 59:
        return None
    hour = int(hours) % 12 + 12 * (half == "pm") if half else int(hours)
    if not half and (hours.startswith("0") or not 1 <= int(hours) <= 12):
        half = "pm" if 12 < int(hours) < 24 else "am"
    return Tagged("clock", (60 * hour + int(minutes or 0), int(seconds or 0), half))


def same_time(gold: Tagged, found: Tagged) -> bool:
    """The same time of day; a gold that does not give the half of the day matches either."""
    (minutes, seconds, half), (others, other_seconds, other_half) = gold.key, found.key
    assert isinstance(minutes, int)
    assert isinstance(others, int)
    if half and not other_half:
        return False
    return seconds == other_seconds and (minutes == others if half or not other_half else minutes % 720 == others % 720)


def _remainder(text: str) -> Tagged | None:
    match = _REMAINDER.fullmatch(text)
    return Tagged("remainder", (number(match.group(1)), number(match.group(2)))) if match else None


def _quantity(text: str) -> Tagged | None:
    """``2 hours 30 minutes``, ``5 ft 3 in``: at least two parts of one dimension, in falling size."""
    parts, position = [], 0
    while position < len(text) and (match := _PART.match(text, position)):
        scale = unit_scale(match.group(2))
        if scale is None:
            return None
        parts.append((scale, number(match.group(1))))
        position = match.end()
    sizes = [size for (_, size), _ in parts]
    if (
        position < len(text)
        or len(parts) < 2
        or len({dimension for (dimension, _), _ in parts}) > 1
        or sizes != sorted(set(sizes), reverse=True)
    ):
        return None
    return Tagged("quantity", (parts[0][0][0], sum((size * value for (_, size), value in parts), Fraction(0))))


def _dimensions(text: str) -> Tagged | None:
    """``3 x 4``, ``3 by 4 by 5 cm``: the sides in order. With a multiplication sign it may also be a product."""
    bare = _SHAPE.sub("", re.sub(r"\Aan?\s+(?=[0-9])", "", text))
    shaped, text = bare != text, bare
    marks = list(_BY.finditer(text))
    if not 1 <= len(marks) <= 5:
        return None
    starts, ends = [0, *(mark.end() for mark in marks)], [*(mark.start() for mark in marks), len(text)]
    sides = [_SIDE.fullmatch(text[start:end].strip()) for start, end in zip(starts, ends, strict=True)]
    if not all(side and number(side.group(1)) for side in sides):
        return None
    units = [side.group(2) for side in sides if side]
    scales = [unit_scale(unit or units[-1] or "") for unit in units]
    return Tagged(
        "dimensions",
        tuple(Side(number(side.group(1)), scale) for side, scale in zip(sides, scales, strict=True) if side),
        exclusive=shaped or all(not mark.group("sign") for mark in marks),
    )


def _ratio(text: str) -> Tagged | None:
    """Numbers as multiples of the first. ``10:30`` is first a time: as a ratio it matches only one that is not a time, like ``20:60``."""
    names, equal, numbers = text.partition("=")
    letters = [name.strip() for name in names.split(":")] if equal else []
    if letters and letters == sorted(set(letters)) and len(letters) == numbers.count(":") + 1 and all(map(_LETTER.fullmatch, letters)):
        text = numbers.strip()  # x:y:z = 2:3:4
    if not _RATIO.fullmatch(text) or re.search(r":\s*0[0-9]", text):
        return None
    values = [number(part.strip()) for part in text.split(":")]
    first = next((value for value in values if value), Fraction(1))
    return Tagged("clock ratio" if _clock(text) else "ratio", tuple(value / first for value in values), exclusive=len(values) > 2)


def _sequence(text: str) -> Tagged | None:
    """Numbers side by side, in their order."""
    match = _SEQUENCE.fullmatch(text)
    if match is None or _MIXED.fullmatch(text):
        return None
    items = match.group(1).split()
    return Tagged("sequence", tuple(map(number, items)), exclusive=not _THOUSANDS.fullmatch(text)) if len(items) <= MAX_CELLS else None


def _grid(plain: str) -> Tagged | None:
    """Lines with the same number of numbers each."""
    lines = [line.strip("|[](), ") for line in plain.splitlines() if line.strip("|[](), -")]
    if len(lines) < 2:
        return None
    rows = [tuple(re.split(r"\s*[|,]\s*|\s+", line)) for line in lines]
    if len({len(row) for row in rows}) > 1 or len(rows) * len(rows[0]) > MAX_CELLS or len(rows[0]) < 2:
        return None
    if not all(re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", cell) for row in rows for cell in row):
        return None
    return Tagged("grid", tuple(tuple(map(number, row)) for row in rows))
