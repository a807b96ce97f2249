r"""Repeating decimals: ``0.1\overline{6}``, ``0.\dot{1}\dot{8}``, ``0.333\ldots`` and ``0.(3)`` become fractions."""

from __future__ import annotations

import re
from fractions import Fraction

MAX_DIGITS = 40

_DIGITS = rf"[0-9]{{0,{MAX_DIGITS}}}"
_DOTTED = r"\\dot\s*\{?\s*([0-9])\s*\}?"
_WRITTEN = (
    re.compile(rf"(?<![0-9.,])([0-9]{{0,9}})\.({_DIGITS})\\(?:overline|bar)\s*(?:\{{\s*([0-9]{{1,{MAX_DIGITS}}})\s*\}}|([0-9]))"),
    re.compile(rf"(?<![0-9.,])([0-9]{{0,9}})\.({_DIGITS}){_DOTTED}(?:({_DIGITS}){_DOTTED})?"),
    re.compile(
        rf"(?<![0-9.,])([0-9]{{1,9}})\.({_DIGITS}?)(?:([0-9])\3{{2,{MAX_DIGITS}}}|([0-9]{{2,12}}?)\4{{1,12}})\s*(?:…|\\[cl]?dots|\.\.\.)"
    ),
    re.compile(rf"\A\s*([0-9]{{1,9}})\.({_DIGITS})\(([0-9]{{1,{MAX_DIGITS}}})\)\s*\Z"),
)


def fractions_for_repeating_decimals(text: str) -> str:
    r"""``text`` with each repeating decimal as ``\frac{}{}``."""
    if "." not in text:
        return text
    for pattern in _WRITTEN:
        text = pattern.sub(_fraction, text)
    return text


def _fraction(match: re.Match[str]) -> str:
    whole, fixed, *blocks = match.groups()
    block = "".join(digits for digits in blocks if digits)
    value = int(whole or 0) + Fraction(int(fixed or 0) * (10 ** len(block) - 1) + int(block), 10 ** len(fixed) * (10 ** len(block) - 1))
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
