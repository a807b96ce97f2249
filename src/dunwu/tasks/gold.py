"""Gold answers: found in a data set's answer column and brought into the plain form that the ``number`` verifier compares with."""

from __future__ import annotations

import re
from decimal import Decimal

_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL = re.compile(r"\d+(\.\d+)?|\.\d+")
_SLASH = re.compile(r"(\d+)\s*/\s*(\d+)")
_FRAC = re.compile(r"\\[dt]?frac\s*(?:\{(-?\d+)\}\s*\{(\d+)\}|(\d)\s*(\d)|(\d)\s*\{(\d+)\}|\{(\d+)\}\s*(\d))")
_DOLLARS = re.compile(r"^([+-]?)(?:\\?\$)+")


def gold_text(cell: str) -> str:
    """The final answer in a cell: what follows the last ``####`` (GSM8K), else the last ``\\boxed{...}`` (MATH), else the whole cell."""
    if "####" in cell:
        return cell.rpartition("####")[2].strip()
    boxed = last_boxed(cell)
    return (cell if boxed is None else boxed).strip()


def last_boxed(text: str) -> str | None:
    """The content of the last ``\\boxed{...}`` or ``\\fbox{...}`` by brace matching; ``None`` without one, or where it never closes."""
    start = max(text.rfind(r"\boxed{"), text.rfind(r"\fbox{"))
    if start < 0:
        return None
    begin = text.index("{", start) + 1
    depth, position = 1, begin
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[begin:position]
        position += 1
    return None


def gold_number(text: str) -> str | None:
    """``text`` as a plain integer, decimal or fraction (``"1234"``, ``"-0.5"``, ``"3/4"``); ``None`` where it is not one.

    Python's ``Fraction`` reads every result. Understood are thousands commas, a dollar sign and ``\\frac``. Percentages,
    units, mixed numbers and exponents are refused: what they equal depends on the question.
    """
    plain = text.replace("−", "-").replace("{,}", ",").replace(r"\!", "").strip()
    plain = _DOLLARS.sub(r"\1", plain).rstrip("$ ").removesuffix(".")
    sign, plain = ("-", plain[1:].strip()) if plain.startswith("-") else ("", plain.removeprefix("+").strip())
    if not plain.isascii():
        return None
    if _GROUPED.fullmatch(plain):
        return sign + plain.replace(",", "")
    if _DECIMAL.fullmatch(plain):
        return sign + ("0" + plain if plain.startswith(".") else plain)
    parts = _fraction(plain)
    if parts is None or int(parts[1]) == 0:
        return None
    numerator, denominator = parts
    if numerator.startswith("-"):
        sign, numerator = ("" if sign else "-"), numerator[1:]
    return f"{sign}{numerator}/{denominator}"


def cell_text(cell: object) -> str | None:
    """A cell of a row as text: strings as they are, finite numbers without exponent, ``None`` for anything else or nothing."""
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return None
    number = Decimal(str(cell))
    return f"{number:f}" if number.is_finite() else None


def _fraction(plain: str) -> tuple[str, str] | None:
    """Numerator and denominator of ``a/b`` or ``\\frac{a}{b}`` (braces may be missing around single digits)."""
    match = _SLASH.fullmatch(plain) or _FRAC.fullmatch(plain)
    if match is None:
        return None
    numerator, denominator = (group for group in match.groups() if group is not None)
    return numerator, denominator
