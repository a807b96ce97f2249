"""What counts as the same answer, where graders differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MathPolicy:
    """The defaults are lenient in form and strict in value."""

    percent: Literal["either", "exact"] = "either"
    """either: 5% counts for 5 and for 0.05, as the question decides which and the verifier does not see it; exact: for 0.05 only."""
    rounding: bool = False
    """A decimal gold is also met by a number that rounds to it at the gold's decimals; otherwise values are compared exactly."""
    units: bool = False
    """The unit must be the gold's; otherwise units are passed over."""
    full_width: bool = True
    """Full-width digits and signs count as the ASCII ones."""
    prefix: bool = True
    """``x = 5`` counts for 5 and 5 for ``x = 5``; likewise ``x \\in``."""
    ordered: bool = False
    """A list of solutions must have the gold's order. Tuples always have one, sets never."""
    base: bool = True
    """The subscript of a number in another base may be missing: 52 counts for 52_8."""
    trailing_text: bool = True
    """Words around a number, and what follows the letter of a choice, are passed over."""
