"""Units whose scale is known: two numbers with such units of one dimension are compared as quantities."""

from __future__ import annotations

import re
from fractions import Fraction

Unit = tuple[str, Fraction]
"""Dimension and size in the dimension's base unit."""

_TABLE = {
    "length": "m meter meters metre metres 1|mm millimeter millimeters millimetre millimetres 1/1000|cm centimeter centimeters centimetre "
    "centimetres 1/100|dm decimeter decimeters 1/10|km kilometer kilometers kilometre kilometres 1000|in inch inches 127/5000"
    "|ft foot feet 381/1250|yd yard yards 1143/1250|mi mile miles 201168/125|米 1|毫米 1/1000|厘米 1/100|分米 1/10|千米 公里 1000",
    "mass": "g gram grams 1|mg milligram milligrams 1/1000|kg kilogram kilograms 1000|tonne tonnes 1000000|lb lbs pound pounds 45359237/100000"
    "|oz ounce ounces 45359237/1600000|克 1|千克 公斤 1000|吨 1000000",
    "time": "s sec secs second seconds 1|ms millisecond milliseconds 1/1000|min mins minute minutes 60|h hr hrs hour hours 3600|day days 86400"
    "|week weeks 604800|秒 1|分钟 分 60|小时 3600|天 86400",
    "calendar": "month months 1|year years 12",
    "money": "cent cents 1|dollar dollars usd bucks 100",
    "volume": "l liter liters litre litres 1|ml milliliter milliliters millilitre millilitres 1/1000|cl 1/100|升 1|毫升 1/1000",
    "customary volume": "cup cups 1|pint pints 2|quart quarts 4|gallon gallons 16",
}
_UNITS: dict[str, Unit] = {}
for _dimension, _rows in _TABLE.items():
    for _row in _rows.split("|"):
        *_names, _size = _row.split()
        _UNITS |= {_name: (_dimension, Fraction(_size)) for _name in _names}

NAMES = "|".join(sorted(_UNITS, key=len, reverse=True))
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_ABBREVIATIONS = {"kph": "km/h", "kmh": "km/h", "mph": "miles/hour"}


def unit_scale(text: str) -> Unit | None:
    """The dimension and size of a unit such as ``cm``, ``square meters``, ``km/h``; ``None`` where it is not in the table."""
    plain = re.sub(r"[‹›{}\\.*]|\bof\b.*", " ", text.casefold()).strip()
    plain = _ABBREVIATIONS.get(plain, plain)
    parts = re.split(r"\s*(?:/|\bper\b|\ban?\b)\s*", plain)
    if not 1 <= len(parts) <= 2:
        return None
    scales = [_power(part) for part in parts]
    if len(parts) == 1 or scales[0] is None or scales[1] is None:
        return scales[0] if len(parts) == 1 else None
    (above, size), (below, divisor) = scales[0], scales[1]
    return f"{above}/{below}", size / divisor


def _power(text: str) -> Unit | None:
    match = re.fullmatch(r"(?:(square|sq|cubic|cu)\s+)?(\S+?)(?:\s*\^\s*([23]))?", " ".join(text.split()))
    unit = _UNITS.get(match.group(2)) if match else None
    if match is None or unit is None:
        return None
    power = _POWERS.get(match.group(1) or "", int(match.group(3) or 1))
    return (unit[0] if power == 1 else f"{unit[0]}^{power}"), unit[1] ** power
