"""Gold answers: extracted from a data set's answer column and converted to the plain form that the ``number`` verifier compares."""

from __future__ import annotations

import re
from decimal import Decimal

from dunwu.text.boxes import offered_boxes

_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL = re.compile(r"\d+(\.\d+)?|\.\d+")
_SLASH = re.compile(r"(\d+)\s*/\s*(\d+)")
_FRAC = re.compile(r"\\[dt]?frac\s*(?:\{(-?\d+)\}\s*\{(\d+)\}|(\d)\s*(\d)|(\d)\s*\{(\d+)\}|\{(\d+)\}\s*(\d))")
_DOLLARS = re.compile(r"^([+-]?)(?:\\?\$)+")


def gold_text(cell: str) -> str:
    """The final answer in a cell: the text after the last ``####`` (GSM8K), else the last box (MATH), else the whole cell.

    Several different boxes are not a single answer: the whole cell is returned, and the maths verifier refuses it as a gold.
    """
    if "####" in cell:
        return cell.rpartition("####")[2].strip()
    boxes = offered_boxes(cell)
    return (boxes[0] if len(boxes) == 1 else cell).strip()


def gold_number(text: str) -> str | None:
    """``text`` as a plain integer, decimal or fraction (``"1234"``, ``"-0.5"``, ``"3/4"``); ``None`` if it is not one.

    Python's ``Fraction`` reads every result. Thousands commas, a dollar sign and ``\\frac`` are understood. Percentages, units, mixed
    numbers and exponents are refused, because their value depends on the question.
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
    """A cell of a row as text: strings unchanged, finite numbers without exponent, booleans as ``True`` and ``False``, the only item of a
    list; ``None`` for anything else and for empty cells."""
    if isinstance(cell, str):
        return cell if cell.strip() else None
    if isinstance(cell, list | tuple):
        return cell_text(cell[0]) if len(cell) == 1 else None
    if getattr(cell, "size", 0) == 1 and hasattr(cell, "item"):  # numpy
        return cell_text(cell.item())
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return str(cell) if isinstance(cell, bool) else None
    number = cell if isinstance(cell, Decimal) else Decimal(str(cell))
    return f"{number:f}" if number.is_finite() else None


def _fraction(plain: str) -> tuple[str, str] | None:
    """Numerator and denominator of ``a/b`` or ``\\frac{a}{b}`` (braces may be missing around single digits)."""
    match = _SLASH.fullmatch(plain) or _FRAC.fullmatch(plain)
    if match is None:
        return None
    numerator, denominator = (group for group in match.groups() if group is not None)
    return numerator, denominator
