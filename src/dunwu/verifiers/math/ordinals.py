"""Ordinal numbers: ``3rd`` and ``third``."""

from __future__ import annotations

import re
from fractions import Fraction

from dunwu.verifiers.math.scalar import of_number
from dunwu.verifiers.math.values import Scalar

_WORDS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINALS = _WORDS.split()
_ORDINAL = re.compile(rf"(?:the )?(?:({'|'.join(_ORDINALS)})|([0-9]{{1,4}})(?:st|nd|rd|th))", re.IGNORECASE)


def ordinal_value(text: str) -> Scalar | None:
    """The number of an ordinal in words or digits; ``third`` alone may also be a fraction."""
    match = _ORDINAL.fullmatch(text.strip(" .$"))
    if match is None:
        return None
    return of_number(text, Fraction(match.group(2) or _ORDINALS.index(match.group(1).casefold()) + 1))
