"""Which answers vote together in majority@k. The key looks at the answer alone: never at the target, the gold or the score.

Expressions vote as **written**, whitespace and typography aside: ``(1+3)*6`` and ``6*(3+1)`` are two candidates. Voting over *values*
would be wrong here: the target is part of the question, so all right answers would vote as one, and majority@k would come close to
"one of k is right".
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from dunwu.types import VerifierName
from dunwu.verifiers.math.values import Scalar
from dunwu.verifiers.math.verify import answer_readings

_OPERATORS = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-", "[": "(", "]": ")", "{": "(", "}": ")"}
)
_NUMBER = re.compile(r"[+-]?\d{1,60}(?:\.\d{1,60})?(?:/0*[1-9]\d{0,59})?", re.ASCII)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))", re.ASCII)


def vote_key(answer: str | None, verifier: VerifierName) -> str | None:
    """The key under which ``answer`` votes; ``None`` where there is nothing to vote with."""
    text = unicodedata.normalize("NFKC", answer or "").strip()
    match verifier:
        case "expression":
            key = re.sub(r"\s+", "", text).translate(_OPERATORS).partition("=")[0]
        case "plain_number":
            key = _number(text)
        case "number" | "math":
            key = _mathematics(text)
        case "choice" | "text":
            key = " ".join(text.casefold().split())
        case _:
            key = " ".join(text.split())
    return key or None


def _mathematics(text: str) -> str:
    r"""A constant by its exact value, anything else as written: ``\frac12`` votes with ``0.5``, ``\sqrt{8}`` with ``2\sqrt{2}``."""
    for value in answer_readings(text):
        if isinstance(value, Scalar) and value.form is not None and not any(powers for _, powers in value.form.terms):
            return value.form.name if value.form.rational is None else str(value.form.rational)
    return re.sub(r"\s+", "", text)


def _number(text: str) -> str:
    """The exact value where the text is one number (``1,200``, ``0.50``, ``-3/4``), otherwise the text without whitespace."""
    plain = _THOUSANDS.sub("", re.sub(r"\s+", "", text).translate(_OPERATORS).strip("$").rstrip("."))
    if not _NUMBER.fullmatch(plain):
        return plain
    top, _, bottom = plain.partition("/")
    return str(Fraction(top) / Fraction(bottom or 1))
