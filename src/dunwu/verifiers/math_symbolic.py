r"""What the exact path leaves open, decided with mpmath and math-verify. Runs in the worker process only.

Two expressions of our grammar whose doubles agree are evaluated with 120 digits at the same points: equal to 100 digits at all of them is
equal. Where the gold is outside our grammar, math-verify 0.9 judges both texts. Of its two readers only the LaTeX one is used
(`latex2sympy2_extended`, an ANTLR grammar that calls no ``eval``; its other one, ``ExprExtractionConfig``, gives text to sympy's
``parse_expr``, which is ``eval``), its string fall-back is off (sympy would parse a string operand), its time limits are off (they are
SIGALRM handlers, and raise outside the main thread), and it only sees texts of known commands, without towers of powers, factorials,
sums, integrals or limits.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from dunwu.verifiers.math_compare import Equal, exact_equal
from dunwu.verifiers.math_numeric import POINTS, Context, NoValue, evaluate
from dunwu.verifiers.math_values import Scalar

mpmath.mp.dps = 120
AGREEMENT = mpmath.mpf(10) ** -100
MAX_SCREENED = 300
_SCREENED = re.compile(r"[A-Za-z0-9\s+\-*/^_=<>≤≥(){}\[\]|,.:;&¶'\\]*")
_COMMAND_NAMES = (
    "frac sqrt pi sin cos tan cot sec csc log ln exp cdot times pm mp infty cup cap in le ge leq geq ne neq left right begin end circ "
    "overline vec hat bar mathbb alpha beta gamma delta theta lambda mu omega phi sigma rho tau "
    "epsilon angle triangle setminus emptyset"
)
_COMMANDS = frozenset(_COMMAND_NAMES.split())
_DANGEROUS = re.compile(r"[0-9]{13}|\^[^\^]{0,40}\^|(?<![\\A-Za-z])!|\^\s*\{?\s*-?[0-9]{4}")
_MARKS = str.maketrans({"⦃": r"\{", "⦄": r"\}", "¶": r"\\", "∪": r"\cup ", "≤": r"\le ", "≥": r"\ge ", "°": ""})
_LATEX = LatexExtractionConfig(
    normalization_config=NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=False, boxed="none")
)


def _number(value: Fraction) -> Any:
    return mpmath.mpc(mpmath.mpf(value.numerator) / value.denominator)


PRECISE = Context(mpmath.mp, _number, {"i": mpmath.mpc(0, 1), "pi": mpmath.mpc(mpmath.pi), "e": mpmath.mpc(mpmath.e)})


def decide(gold: Scalar, found: Scalar) -> Equal:
    """`exact_equal`, and where that is open the comparison described above; an expression without a value equals nothing."""
    equal = exact_equal(gold, found)
    if equal is not None:
        return equal
    if gold.node is None or found.node is None:
        return math_verify_equal(gold.text, found.text)
    agreed = 0
    for point in range(POINTS):
        try:
            expected, value = evaluate(gold.node, point, PRECISE), evaluate(found.node, point, PRECISE)
        except (ArithmeticError, ValueError, NoValue):
            continue
        if not mpmath.isfinite(expected) or not mpmath.isfinite(value):
            continue
        if abs(expected - value) > AGREEMENT * max(abs(expected), abs(value)):
            return False
        agreed += 1
    return agreed > 0


def screened(text: str) -> str | None:
    """``text`` as LaTeX where it is safe to give to math-verify; else ``None``."""
    latex = text.translate(_MARKS)
    safe = len(latex) <= MAX_SCREENED and _SCREENED.fullmatch(latex) and not _DANGEROUS.search(latex)
    return latex if safe and set(re.findall(r"\\([A-Za-z]+)", latex)) <= _COMMANDS else None


def parsed(text: str) -> list[Any]:
    """math-verify's reading of a screened text; empty where it has none."""
    latex = screened(text)
    return [] if latex is None else list(parse(f"${latex}$", [_LATEX], fallback_mode="no_fallback", parsing_timeout=None))


def math_verify_equal(gold: str, found: str) -> bool:
    """math-verify's verdict on two screened texts."""
    expected, value = parsed(gold), parsed(found)
    return bool(expected and value) and bool(verify(expected, value, timeout_seconds=None))
