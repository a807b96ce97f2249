"""Units of known scale: two numbers with such units of the same dimension are compared as quantities."""

from __future__ import annotations

import re
from fractions import Fraction

Unit = tuple[str, Fraction]
"""The dimension, and the size in the dimension's base unit."""

_TABLE = {
    "length": {
        "1": "m meter meters metre metres 米",
        "1/1000": "mm millimeter millimeters millimetre millimetres 毫米",
        "1/100": "cm centimeter centimeters centimetre centimetres 厘米",
        "1/10": "dm decimeter decimeters 分米",
        "1000": "km kilometer kilometers kilometre kilometres 千米 公里",
        "127/5000": "in inch inches",
        "381/1250": "ft foot feet",
        "1143/1250": "yd yard yards",
        "201168/125": "mi mile miles",
    },
    "mass": {
        "1": "g gram grams 克",
        "1/1000": "mg milligram milligrams",
        "1000": "kg kilogram kilograms 千克 公斤",
        "1000000": "tonne tonnes 吨",
        "45359237/100000": "lb lbs pound pounds",
        "45359237/1600000": "oz ounce ounces",
    },
    "time": {
        "1": "s sec secs second seconds 秒",
        "1/1000": "ms millisecond milliseconds",
        "60": "min mins minute minutes 分钟 分",
        "3600": "h hr hrs hour hours 小时",
        "86400": "day days 天 日",
        "604800": "week weeks 周 星期",
    },
    "calendar": {"1": "month months 个月", "12": "year years 年"},
    "money": {"1": "cent cents", "100": "dollar dollars usd bucks"},
    "yuan": {"1": "元 块 yuan rmb", "1/10": "角 毛 jiao"},
    "angle": {"1": "° 度 deg degree degrees", "1/60": "arcminute arcminutes arcmin", "1/3600": "arcsecond arcseconds arcsec"},
    "length^3": {
        "1/1000": "l liter liters litre litres 升",
        "1/1000000": "ml milliliter milliliters millilitre millilitres 毫升",
        "1/100000": "cl",
    },
    "customary volume": {"1": "cup cups", "2": "pint pints", "4": "quart quarts", "16": "gallon gallons"},
}
_UNITS: dict[str, Unit] = {
    name: (dimension, Fraction(size)) for dimension, rows in _TABLE.items() for size, names in rows.items() for name in names.split()
}

NAMES = "|".join(sorted(_UNITS, key=len, reverse=True))
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_ARC = re.compile(r"\b(minute|second)(s?) of arc\b")
_ABBREVIATIONS = {"kph": "km/h", "kmh": "km/h", "mph": "miles/hour"}

_SIGNS = {"euro": "€ euro 欧元", "sterling": "£ 英镑", "rupee": "₹ rupee", "yuan": "¥ ￥ 元 rmb yuan", "dollar": "\\$ dollar 美元"}
_CURRENCIES = {sign: name for name, signs in _SIGNS.items() for sign in signs.split()}
_CURRENCY = re.compile("|".join(map(re.escape, sorted(_CURRENCIES, key=len, reverse=True))))
_LONE_DOLLAR = re.compile(r"\A[^$]*(?<!\\)\$(?=[0-9.])[^$]*\Z")


def unit_scale(text: str) -> Unit | None:
    """The dimension and size of a unit such as ``cm``, ``square meters``, ``km/h``; ``None`` if it is not in the table."""
    plain = re.sub(r"[‹›{}\\.*]|\bof\b.*", " ", _ARC.sub(r"arc\1\2", text.casefold())).strip()
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
    match = re.fullmatch(r"(?:(square|sq|cubic|cu)\s+)?(\S+?)(?:\s*\^\s*(-?\s?[1-9]))?", " ".join(text.split()))
    unit = _UNITS.get(match.group(2)) if match else None
    if match is None or unit is None:
        return None
    power = _POWERS.get(match.group(1) or "", int((match.group(3) or "1").replace(" ", "")))
    return (unit[0] if power == 1 else f"{unit[0]}^{power}"), unit[1] ** power


def currencies(text: str) -> set[str]:
    """The currencies in ``text``; dollar signs around a formula do not count."""
    named = {_CURRENCIES[sign] for sign in _CURRENCY.findall(text.casefold())}
    return named | ({"dollar"} if _LONE_DOLLAR.match(text) else set())


def angle(unit: str) -> str:
    """``degrees``, ``radians``, or empty if ``unit`` is neither."""
    name = unit.strip("‹› ").casefold()
    if name in ("rad", "radian", "radians", "弧度"):
        return "radians"
    return "degrees" if name in ("°", "度", "deg", "degree", "degrees") else ""
