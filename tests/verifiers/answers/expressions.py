"""Numbers written with roots, powers, pi, logarithms and the like."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath

from tests.verifiers.answers.case import Case, Rng, digits_changed, key_of, nonzero
from tests.verifiers.answers.numbers import numeric

SQUARE_FREE = (2, 3, 5, 6, 7, 10, 11, 13, 14, 15, 17, 19, 21, 22, 23)


def square_roots(rng: Rng) -> Case:
    r, sign = rng.choice(SQUARE_FREE), rng.choice((1, -1))

    def spell(r: int, sign: int, degree: int) -> tuple[str, Any]:
        power = f"[{degree}]" if degree > 2 else ""
        return f"{'-' if sign < 0 else ''}\\sqrt{power}{{{r}}}", sign * mpmath.root(r, degree)

    mutants = [
        (r, -sign, 2),
        (r + 1, sign, 2),
        (r * r, sign, 2),
        (r, sign, 3),
        (r, sign, 4),
        *((abs(m), sign, 2) for m in digits_changed(rng, r) if m),
    ]
    minus = "-" if sign < 0 else ""
    return numeric(
        rng,
        spell,
        (r, sign, 2),
        mutants,
        rf"{minus}\sqrt {{{r}}}",
        f"{minus}sqrt({r})",
        rf"{minus}\frac{{{r}}}{{\sqrt{{{r}}}}}",
        f"{minus}{r}^{{1/2}}",
        rf"{minus}\frac{{\sqrt{{{4 * r}}}}}{{2}}",
    )


def surds(rng: Rng) -> Case:
    a, b, r, c = rng.choice((0, nonzero(rng, 20, 1))), nonzero(rng, 12), rng.choice(SQUARE_FREE), rng.randint(1, 9)
    if math.gcd(math.gcd(a, b), c) > 1:
        return surds(rng)

    def spell(a: int, b: int, r: int, c: int) -> tuple[str, Any]:
        root = rf"{b}\sqrt{{{r}}}"
        top = f"{a}{'+' if b > 0 else ''}{root}" if a else root
        return (top if c == 1 else rf"\frac{{{top}}}{{{c}}}"), (a + b * mpmath.sqrt(r)) / c

    mutants = [
        (a, -b, r, c),
        (-a, b, r, c),
        (-a, -b, r, c),
        (a, b, r, c + 1),
        (a, b + 1, r, c),
        (a, r, abs(b), c),
        (b, a or 1, r, c),
        (a, b, r + 1, c),
        (a, b, r * 10, c),
        (a + 1, b, r, c),
        (c, b, r, abs(a) or 2),
    ]
    reverse = rf"\frac{{{b}\sqrt{{{r}}}{a:+}}}{{{c}}}" if a else rf"\frac{{{b}}}{{{c}}}\sqrt{{{r}}}"
    return numeric(
        rng,
        spell,
        (a, b, r, c),
        mutants,
        reverse,
        rf"\frac{{{2 * a}+{b}\sqrt{{{4 * r}}}}}{{{2 * c}}}",
        rf"\frac{{{a}}}{{{c}}} + \frac{{{b}\sqrt{{{r}}}}}{{{c}}}",
    )


def higher_roots(rng: Rng) -> Case:
    n, degree = rng.choice((2, 3, 5, 6, 7, 10, 12, 20)), rng.randint(3, 7)

    def spell(n: int, degree: int, factor: int) -> tuple[str, Any]:
        return f"{factor if factor != 1 else ''}\\sqrt[{degree}]{{{n}}}", factor * mpmath.root(n, degree)

    factor = rng.choice((1, rng.randint(2, 9), -3))
    mutants = [
        (n, degree + 1, factor),
        (n, 2, factor),
        (n + 1, degree, factor),
        (n, degree, -factor),
        (n, degree, factor + 1),
        (degree, max(n, 2), factor),
        (n * 10, degree, factor),
    ]
    case = numeric(
        rng,
        spell,
        (n, degree, factor),
        mutants,
        f"{factor}*{n}^{{1/{degree}}}",
        rf"{factor}\sqrt[{degree}]{{{n}}}",
        rf"{factor}\cdot\sqrt[{degree}] {{{n}}}",
    )
    return Case(case.gold, case.key, case.right, (*case.wrong, (rf"{degree}\sqrt{{{n}}}", None), (rf"\sqrt{{{n}}}", None)))


def pi_multiples(rng: Rng) -> Case:
    value = Fraction(nonzero(rng, 30), rng.randint(1, 12))

    def spell(v: Fraction, letter: str) -> tuple[str, Any]:
        worth = mpmath.mpf(v.numerator) / v.denominator * {r"\pi": mpmath.pi, "": 1, r"\pi^2": mpmath.pi**2, "e": mpmath.e}[letter]
        return (f"{v.numerator}{letter}" if v.denominator == 1 else rf"\frac{{{v.numerator}{letter}}}{{{v.denominator}}}"), worth

    top, bottom = value.numerator, value.denominator
    mutants = [
        (-value, r"\pi"),
        (1 / value, r"\pi"),
        (value + 1, r"\pi"),
        (value, ""),
        (value, r"\pi^2"),
        (value, "e"),
        *((Fraction(m, bottom), r"\pi") for m in digits_changed(rng, top) if m),
    ]
    case = numeric(
        rng,
        spell,
        (value, r"\pi"),
        mutants,
        rf"\frac{{{top}}}{{{bottom}}}\pi",
        rf"{top}\pi/{bottom}",
        rf"\frac{{{2 * top}\pi}}{{{2 * bottom}}}",
        f"{top}π/{bottom}",
    )
    decimal = mpmath.nstr(mpmath.pi * value.numerator / value.denominator, 5)
    return Case(
        case.gold,
        case.key,
        case.right,
        (*case.wrong, (decimal, None), (rf"\approx {decimal}", None), (rf"\frac{{{top}}}{{{bottom}\pi}}", None)),
    )


def complex_numbers(rng: Rng) -> Case:
    a, b = nonzero(rng, 30, 1), nonzero(rng, 30)

    def spell(a: int, b: int) -> tuple[str, Any]:
        return f"{a}{b:+}i", mpmath.mpc(a, b)

    mutants = [
        (a, -b),
        (-a, b),
        (-a, -b),
        (b, a),
        (a + 1, b),
        (a, b + 1),
        *((m, b) for m in digits_changed(rng, a)),
        *((a, m) for m in digits_changed(rng, b) if abs(m) > 1),
    ]
    case = numeric(
        rng,
        spell,
        (a, b),
        mutants,
        f"{b}i{a:+}",
        rf"{a}{b:+}\mathrm{{i}}",
        f"{a} {'+' if b > 0 else '-'} {abs(b)}i",
        f"i({b}{-a:+}i)",
        f"z={a}{b:+}i",
    )
    return Case(case.gold, case.key, case.right, (*case.wrong, (f"({a},{b})", None), (f"{a}{b:+}", key_of(a + b)), (f"{a}, {b}i", None)))


def powers(rng: Rng) -> Case:
    base, exponent = rng.randint(2, 12), rng.choice((rng.randint(3, 12), rng.randint(20, 300), -rng.randint(2, 40)))

    def spell(base: int, exponent: int) -> tuple[str, Any]:
        return f"{base}^{{{exponent}}}", mpmath.mpf(base) ** exponent

    mutants = [
        (base, exponent + 1),
        (base, exponent - 1),
        (base, -exponent),
        (abs(exponent), base),
        (base + 1, exponent),
        (base, 10 * exponent),
    ]
    right = [rf"{base}\cdot {base}^{{{exponent - 1}}}", f"({base})^{{{exponent}}}", rf"\frac{{1}}{{{base}^{{{-exponent}}}}}"] + (
        [str(base**exponent)] if 0 < exponent < 13 else []
    )
    case = numeric(rng, spell, (base, exponent), mutants, *right)
    return Case(
        case.gold,
        case.key,
        case.right,
        (
            *case.wrong,
            (f"{base}*{exponent}", key_of(base * exponent)),
            (f"{base}{abs(exponent)}", key_of(int(f"{base}{abs(exponent)}"))),
            (f"{base}_{{{abs(exponent)}}}", None),
        ),
    )


def scientific(rng: Rng) -> Case:
    mantissa, exponent = rng.randint(11, 999), nonzero(rng, 15)
    if mantissa % 10 == 0:
        return scientific(rng)

    def spell(mantissa: int, exponent: int) -> tuple[str, Fraction]:
        digits = str(mantissa)
        number = digits[0] + ("." + digits[1:] if digits[1:] else "")
        return rf"{number} \times 10^{{{exponent}}}", Fraction(mantissa, 10 ** (len(digits) - 1)) * Fraction(10) ** exponent

    mutants = [
        (mantissa, exponent + 1),
        (mantissa, exponent - 1),
        (mantissa, -exponent),
        *((abs(m), exponent) for m in digits_changed(rng, mantissa) if m),
    ]
    number = str(mantissa)[0] + "." + str(mantissa)[1:]
    case = numeric(
        rng,
        spell,
        (mantissa, exponent),
        mutants,
        rf"{number}\cdot 10^{{{exponent}}}",
        f"{number}e{exponent}",
        f"{number}*10^{{{exponent}}}",
        rf"{mantissa} \times 10^{{{exponent - len(str(mantissa)) + 1}}}",
    )
    return Case(
        case.gold,
        case.key,
        case.right,
        (
            *case.wrong,
            (number, None),
            (f"{number}^{{{exponent}}}", None),
            (f"10^{{{exponent}}}", None),
            (f"{number} times 10 to the {abs(exponent) + 1}", None),
        ),
    )


def counted(rng: Rng) -> Case:
    """Factorials and binomials."""
    n = rng.randint(4, 14)
    k = rng.randint(2, n - 2)

    def factorial(n: int) -> tuple[str, int]:
        return f"{n}!", math.factorial(n)

    def binomial(n: int, k: int) -> tuple[str, int]:
        return rf"\binom{{{n}}}{{{k}}}", math.comb(n, k)

    if rng.random() < 0.5:
        return numeric(
            rng, factorial, (n,), [(n + 1,), (n - 1,), (n * 10,)], str(math.factorial(n)), rf"{n} \cdot {n - 1}!", f"{math.factorial(n):,}"
        )
    return numeric(
        rng,
        binomial,
        (n, k),
        [(n, k + 1), (n, k - 1), (n + 1, k), (n - 1, k), (2 * n, k)],
        str(math.comb(n, k)),
        rf"\binom{{{n}}}{{{n - k}}}",
        rf"\frac{{{n}!}}{{{k}!{n - k}!}}",
        rf"\dbinom{{{n}}}{{{k}}}",
    )


def logarithms(rng: Rng) -> Case:
    a, b = rng.sample((2, 3, 5, 6, 7, 10, 11, 13), 2)

    def spell(a: int, b: int, factor: int) -> tuple[str, Any]:
        return f"{factor if factor != 1 else ''}\\log_{{{a}}} {b}", factor * mpmath.log(b) / mpmath.log(a)

    factor = rng.choice((1, 2, 3, -2))
    mutants = [(b, a, factor), (a, b + 1, factor), (a + 1, b, factor), (a, b, -factor), (a, b, factor + 1), (a, b * 10, factor)]
    case = numeric(
        rng,
        spell,
        (a, b, factor),
        mutants,
        rf"{factor}\frac{{\ln {b}}}{{\ln {a}}}",
        rf"{factor}\log_{a}({b})",
        rf"\frac{{{factor}\log {b}}}{{\log {a}}}",
    )
    return Case(
        case.gold,
        case.key,
        case.right,
        (*case.wrong, (rf"{factor}\log {b}", None) if a != 10 else ("10", None), (rf"\log_{{{a}}} x", None)),
    )
