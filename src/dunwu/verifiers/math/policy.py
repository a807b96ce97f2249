"""Which answers count as the same, in cases where graders differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MathPolicy:
    """The defaults are lenient in form and strict in value."""

    percent: Literal["either", "exact"] = "either"
    """either: 5% counts as 5 and as 0.05, since that depends on the question, which the verifier does not see; exact: as 0.05 only."""
    rounding: bool = False
    """A number that rounds to a decimal gold, at its number of decimals, also matches; otherwise values are compared exactly."""
    units: bool = False
    """The unit must be the gold's; otherwise units are ignored."""
    full_width: bool = True
    """Full-width digits and signs count as ASCII."""
    prefix: bool = True
    """``x = 5`` counts as 5, and 5 as ``x = 5``; likewise ``x \\in``."""
    ordered: bool = False
    """A list of solutions must be in the gold's order. Order always matters in tuples and never in sets."""
    base: bool = True
    """The subscript of a number in another base may be missing: 52 counts as 52_8."""
    trailing_text: bool = True
    """Words around a number, and text after the letter of a choice, are ignored."""
