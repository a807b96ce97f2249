"""Forms of single numbers: each gives a gold, rewrites of it, and other numbers or part of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import mpmath

from tests.verifiers.answers.case import Case, Keyed, Rng, bare, digits_changed, fraction_text, key_of, nonzero, speak

SQUARE_FREE = (2, 3, 5, 6, 7, 10, 11, 13, 14, 15, 17, 19, 21, 22, 23)


def numeric(rng: Rng, spell: Callable[..., tuple[str, Any]], params: tuple[Any, ...], mutants: Iterable[tuple[Any, ...]], *right: str, **more: Any) -> Case:
    """A number spelled from ``params``; wrong are the spellings of ``mutants``, in words too, what an operator makes of the gold, and its bare digits."""
    text, value = spell(*params)
    wrong: list[Keyed] = []
    for mutant in mutants:
        try:
            other, worth = spell(*mutant)
        except (ValueError, ZeroDivisionError):
            continue
        wrong.append((other, key_of(worth)))
        if isinstance(worth, int | Fraction) and (words := speak(worth)):
            wrong.append((words, key_of(worth)))
    return Case(text, key_of(value), (text, *right), (*wrong, *joined(text, value, rng), *bare(text)), **more)


def joined(text: str, value: Any, rng: Rng) -> list[Keyed]:
    """The gold as part of a larger expression."""
    number = mpmath.mpmathify(value) if not isinstance(value, Fraction) else mpmath.mpf(value.numerator) / value.denominator
    k = rng.randint(2, 9)
    grouped = text if text.isdigit() else rf"\left({text}\right)"
    return [
        (f"{grouped}/{k}", key_of(number / k)),
        (f"{grouped}+{k}", key_of(number + k)),
        (f"{grouped}-{k}", key_of(number - k)),
        (rf"{grouped}\times {k}", key_of(number * k)),
        (f"{grouped}^{{{k}}}", key_of(number**k)),
        (rf"\frac{{{text}}}{{{k}}}", key_of(number / k)),
        (rf"\sqrt{{{text}}}", key_of(mpmath.sqrt(number))),
        (f"-{grouped}", key_of(-number)),
        (rf"{grouped}\text{{/{k}}}", None),
        (rf"{grouped}\text{{ + {k}}}", None),
        (rf"\text{{{k} times }}{text}", None),
        (f"{grouped}i", key_of(number * 1j)),
        (f"{grouped}x", None),
        (rf"{grouped}\pi", key_of(number * mpmath.pi)),
        (f"{grouped} million", None),
        (f"{text}, {k}", None),
    ]


def positive_integers(rng: Rng) -> Case:
    n = rng.choice((rng.randint(2, 99), rng.randint(100, 99999)))
    base = rng.randint(max(map(int, str(n))) + 1, 16)
    spelled = speak(n)
    case = numeric(rng, lambda n: (str(n), n), (n,), ((m,) for m in digits_changed(rng, n)), f"{n}.0", f"+{n}", f"{n:,}", f"{2 * n}/2", f"x = {n}", rf"{n}\text{{ cm}}", *([spelled] if spelled else []))
    wrong = ((f"{n}_{{{base}}}", key_of(int(str(n), base))), (f"{n}!", None if n > 2 else case.key), (f"{n}e3", None), (f"{n}:{n + 1}", None), (f"{n} {n}", None), (f"{n} thousand", None))
    return Case(case.gold, case.key, case.right, case.wrong + wrong)


def negative_integers(rng: Rng) -> Case:
    n = -rng.choice((rng.randint(2, 99), rng.randint(100, 99999)))
    return numeric(rng, lambda n: (str(n), n), (n,), ((m,) for m in digits_changed(rng, n)), f"{n}.0", f"−{-n}", f"({n})", f"x = {n}", f"{2 * n}/2", speak(n) or str(n), f"- {-n}")


def thousands(rng: Rng) -> Case:
    n = rng.randint(1000, 9_999_999)
    right = (f"{n}", f"{n:,}", f"{n:,}".replace(",", r",\!"), f"{n:,}".replace(",", "{,}"), f"{n:,}".replace(",", r"\,"))
    wrong = [(f"{m:,}", key_of(m)) for m in digits_changed(rng, n)] + [(str(m), key_of(m)) for m in digits_changed(rng, n)]
    wrong += [(f"{n:,}"[:-1], None), (f"{n:,}".replace(",", "."), None if n > 10**6 else key_of(Fraction(n, 1000))), (f"{n // 1000}, {n % 1000 + 1}", None)]
    return Case(f"{n:,}", key_of(n), right, tuple(wrong))


def fractions(rng: Rng) -> Case:
    value = Fraction(nonzero(rng, 60, 1), rng.randint(2, 40))
    if value.denominator == 1:
        return fractions(rng)
    top, bottom = value.numerator, value.denominator
    mutants = [(Fraction(bottom, top),), (-value,), (-1 / value,), (value + 1,), *((Fraction(m, bottom),) for m in digits_changed(rng, top)), *((Fraction(top, m),) for m in digits_changed(rng, bottom) if m)]
    right = (rf"\dfrac{{{top}}}{{{bottom}}}", f"{top}/{bottom}", rf"\frac{{{3 * top}}}{{{3 * bottom}}}", rf"\frac{{{-top}}}{{{-bottom}}}", f"{top} / {bottom}", rf"x=\tfrac{{{top}}}{{{bottom}}}")
    return numeric(rng, lambda v: (fraction_text(v, rng), v), (value,), mutants, *right)


def decimals(rng: Rng) -> Case:
    places = rng.randint(1, 4)
    n = nonzero(rng, 99999, 11)
    if n % 10 == 0:
        return decimals(rng)

    def spell(n: int, places: int) -> tuple[str, Fraction]:
        return f"{n / 10**places:.{places}f}", Fraction(n, 10**places)

    text, value = spell(n, places)
    mutants = [*((m, places) for m in digits_changed(rng, n)), (n, places + 1), (n, places - 1 or 2), (-n, places), (10 * n + 1, places + 1)]
    case = numeric(rng, spell, (n, places), mutants, f"{text}0", text.replace("0.", ".", 1) if abs(value) < 1 else text, rf"\frac{{{value.numerator}}}{{{value.denominator}}}", f"${text}$", f"x={text}")
    return Case(case.gold, case.key, case.right, (*case.wrong, (text.replace(".", ","), None), (text.replace(".", "/"), None), (text.replace(".", ":"), None), (text.replace(".", " "), None)))


def percents(rng: Rng) -> Case:
    n = rng.randint(2, 150)

    def spell(n: int) -> tuple[str, int]:
        return rng.choice((rf"{n}\%", f"{n}%", f"{n} percent")), n

    case = numeric(rng, spell, (n,), ((m,) for m in digits_changed(rng, n)), f"{n}%", rf"{n}\%", f"{n} percent", f"{n} pct", f"{n}", f"{n} %")
    wrong = tuple((text, key) for text, key in case.wrong if "%" not in text[-12:-2])
    return Case(case.gold, case.key, case.right, (*wrong, (f"0.{n:03d}%", None), (f"{n * 10}%", None), (f"-{n}%", None)), also=frozenset({key_of(Fraction(n, 100))}))


def mixed_numbers(rng: Rng) -> Case:
    whole, bottom = rng.randint(2, 20), rng.randint(3, 12)
    top = next(t for t in range(rng.randint(1, bottom - 1), 0, -1) if math.gcd(t, bottom) == 1)
    sign = rng.choice((1, -1))

    def spell(whole: int, top: int, bottom: int, sign: int) -> tuple[str, Fraction]:
        text = rng.choice((f"{whole} {top}/{bottom}", rf"{whole}\frac{{{top}}}{{{bottom}}}", rf"{whole} \frac{{{top}}}{{{bottom}}}"))
        return ("-" if sign < 0 else "") + text, sign * (whole + Fraction(top, bottom))

    value = spell(whole, top, bottom, sign)[1]
    mutants = [(whole, top, bottom, -sign), (whole + 1, top, bottom, sign), (whole, top, bottom + 1, sign), (top, whole, bottom, sign) if whole < bottom else (whole + 10, top, bottom, sign)]
    case = numeric(rng, spell, (whole, top, bottom, sign), mutants, rf"\frac{{{value.numerator}}}{{{value.denominator}}}", f"{value.numerator}/{value.denominator}", f"{'-' if sign < 0 else ''}{whole} {top}/{bottom}")
    others = [(f"{sign * whole}", key_of(sign * whole)), (rf"\frac{{{whole * top}}}{{{bottom}}}", key_of(Fraction(whole * top, bottom))), (f"{whole}{top}/{bottom}", key_of(Fraction(int(f"{whole}{top}"), bottom)))]
    return Case(case.gold, case.key, case.right, (*case.wrong, *others))


def square_roots(rng: Rng) -> Case:
    r, sign = rng.choice(SQUARE_FREE), rng.choice((1, -1))

    def spell(r: int, sign: int, degree: int) -> tuple[str, Any]:
        power = f"[{degree}]" if degree > 2 else ""
        return f"{'-' if sign < 0 else ''}\\sqrt{power}{{{r}}}", sign * mpmath.root(r, degree)

    mutants = [(r, -sign, 2), (r + 1, sign, 2), (r * r, sign, 2), (r, sign, 3), (r, sign, 4), *((abs(m), sign, 2) for m in digits_changed(rng, r) if m)]
    minus = "-" if sign < 0 else ""
    return numeric(rng, spell, (r, sign, 2), mutants, rf"{minus}\sqrt {{{r}}}", f"{minus}sqrt({r})", rf"{minus}\frac{{{r}}}{{\sqrt{{{r}}}}}", f"{minus}{r}^{{1/2}}", rf"{minus}\frac{{\sqrt{{{4 * r}}}}}{{2}}")


def surds(rng: Rng) -> Case:
    a, b, r, c = rng.choice((0, nonzero(rng, 20, 1))), nonzero(rng, 12), rng.choice(SQUARE_FREE), rng.randint(1, 9)
    if math.gcd(math.gcd(a, b), c) > 1:
        return surds(rng)

    def spell(a: int, b: int, r: int, c: int) -> tuple[str, Any]:
        root = rf"{b}\sqrt{{{r}}}"
        top = f"{a}{'+' if b > 0 else ''}{root}" if a else root
        return (top if c == 1 else rf"\frac{{{top}}}{{{c}}}"), (a + b * mpmath.sqrt(r)) / c

    mutants = [(a, -b, r, c), (-a, b, r, c), (-a, -b, r, c), (a, b, r, c + 1), (a, b + 1, r, c), (a, r, abs(b), c), (b, a or 1, r, c), (a, b, r + 1, c), (a, b, r * 10, c), (a + 1, b, r, c), (c, b, r, abs(a) or 2)]
    reverse = rf"\frac{{{b}\sqrt{{{r}}}{a:+}}}{{{c}}}" if a else rf"\frac{{{b}}}{{{c}}}\sqrt{{{r}}}"
    return numeric(rng, spell, (a, b, r, c), mutants, reverse, rf"\frac{{{2 * a}+{b}\sqrt{{{4 * r}}}}}{{{2 * c}}}", rf"\frac{{{a}}}{{{c}}} + \frac{{{b}\sqrt{{{r}}}}}{{{c}}}")


def pi_multiples(rng: Rng) -> Case:
    value = Fraction(nonzero(rng, 30), rng.randint(1, 12))

    def spell(v: Fraction, letter: str) -> tuple[str, Any]:
        worth = mpmath.mpf(v.numerator) / v.denominator * {r"\pi": mpmath.pi, "": 1, r"\pi^2": mpmath.pi**2, "e": mpmath.e}[letter]
        return (f"{v.numerator}{letter}" if v.denominator == 1 else rf"\frac{{{v.numerator}{letter}}}{{{v.denominator}}}"), worth

    top, bottom = value.numerator, value.denominator
    mutants = [(-value, r"\pi"), (1 / value, r"\pi"), (value + 1, r"\pi"), (value, ""), (value, r"\pi^2"), (value, "e"), *((Fraction(m, bottom), r"\pi") for m in digits_changed(rng, top) if m)]
    case = numeric(rng, spell, (value, r"\pi"), mutants, rf"\frac{{{top}}}{{{bottom}}}\pi", rf"{top}\pi/{bottom}", rf"\frac{{{2 * top}\pi}}{{{2 * bottom}}}", f"{top}π/{bottom}")
    decimal = mpmath.nstr(mpmath.pi * value.numerator / value.denominator, 5)
    return Case(case.gold, case.key, case.right, (*case.wrong, (decimal, None), (rf"\approx {decimal}", None), (rf"\frac{{{top}}}{{{bottom}\pi}}", None)))


def complex_numbers(rng: Rng) -> Case:
    a, b = nonzero(rng, 30, 1), nonzero(rng, 30)

    def spell(a: int, b: int) -> tuple[str, Any]:
        return f"{a}{b:+}i", mpmath.mpc(a, b)

    mutants = [(a, -b), (-a, b), (-a, -b), (b, a), (a + 1, b), (a, b + 1), *((m, b) for m in digits_changed(rng, a)), *((a, m) for m in digits_changed(rng, b) if abs(m) > 1)]
    case = numeric(rng, spell, (a, b), mutants, f"{b}i{a:+}", rf"{a}{b:+}\mathrm{{i}}", f"{a} {'+' if b > 0 else '-'} {abs(b)}i", f"i({b}{-a:+}i)", f"z={a}{b:+}i")
    return Case(case.gold, case.key, case.right, (*case.wrong, (f"({a},{b})", None), (f"{a}{b:+}", key_of(a + b)), (f"{a}, {b}i", None)))


def powers(rng: Rng) -> Case:
    base, exponent = rng.randint(2, 12), rng.choice((rng.randint(3, 12), rng.randint(20, 300), -rng.randint(2, 40)))

    def spell(base: int, exponent: int) -> tuple[str, Any]:
        return f"{base}^{{{exponent}}}", mpmath.mpf(base) ** exponent

    mutants = [(base, exponent + 1), (base, exponent - 1), (base, -exponent), (abs(exponent), base), (base + 1, exponent), (base, 10 * exponent)]
    right = [rf"{base}\cdot {base}^{{{exponent - 1}}}", f"({base})^{{{exponent}}}", rf"\frac{{1}}{{{base}^{{{-exponent}}}}}"] + ([str(base**exponent)] if 0 < exponent < 13 else [])
    case = numeric(rng, spell, (base, exponent), mutants, *right)
    return Case(case.gold, case.key, case.right, (*case.wrong, (f"{base}*{exponent}", key_of(base * exponent)), (f"{base}{abs(exponent)}", key_of(int(f"{base}{abs(exponent)}"))), (f"{base}_{{{abs(exponent)}}}", None)))


def scientific(rng: Rng) -> Case:
    mantissa, exponent = rng.randint(11, 999), nonzero(rng, 15)
    if mantissa % 10 == 0:
        return scientific(rng)

    def spell(mantissa: int, exponent: int) -> tuple[str, Fraction]:
        digits = str(mantissa)
        number = digits[0] + ("." + digits[1:] if digits[1:] else "")
        return rf"{number} \times 10^{{{exponent}}}", Fraction(mantissa, 10 ** (len(digits) - 1)) * Fraction(10) ** exponent

    mutants = [(mantissa, exponent + 1), (mantissa, exponent - 1), (mantissa, -exponent), *((abs(m), exponent) for m in digits_changed(rng, mantissa) if m)]
    number = str(mantissa)[0] + "." + str(mantissa)[1:]
    case = numeric(rng, spell, (mantissa, exponent), mutants, rf"{number}\cdot 10^{{{exponent}}}", f"{number}e{exponent}", f"{number}*10^{{{exponent}}}", rf"{mantissa} \times 10^{{{exponent - len(str(mantissa)) + 1}}}")
    return Case(case.gold, case.key, case.right, (*case.wrong, (number, None), (f"{number}^{{{exponent}}}", None), (f"10^{{{exponent}}}", None), (f"{number} times 10 to the {abs(exponent) + 1}", None)))


def counted(rng: Rng) -> Case:
    """Factorials and binomials."""
    n = rng.randint(4, 14)
    k = rng.randint(2, n - 2)

    def factorial(n: int) -> tuple[str, int]:
        return f"{n}!", math.factorial(n)

    def binomial(n: int, k: int) -> tuple[str, int]:
        return rf"\binom{{{n}}}{{{k}}}", math.comb(n, k)

    if rng.random() < 0.5:
        return numeric(rng, factorial, (n,), [(n + 1,), (n - 1,), (n * 10,)], str(math.factorial(n)), rf"{n} \cdot {n - 1}!", f"{math.factorial(n):,}")
    return numeric(rng, binomial, (n, k), [(n, k + 1), (n, k - 1), (n + 1, k), (n - 1, k), (2 * n, k)], str(math.comb(n, k)), rf"\binom{{{n}}}{{{n - k}}}", rf"\frac{{{n}!}}{{{k}!{n - k}!}}", rf"\dbinom{{{n}}}{{{k}}}")


def recurring(rng: Rng) -> Case:
    before, period = rng.choice(("", "", str(rng.randint(0, 9)))), str(rng.randint(1, 998))

    def spell(before: str, period: str, whole: int) -> tuple[str, Fraction]:
        value = whole + Fraction(int(before or "0"), 10 ** len(before)) + Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(before))
        return rf"{whole}.{before}\overline{{{period}}}", value

    value = spell(before, period, 0)[1]
    if value.denominator == 1 or set(period) == {"9"}:
        return recurring(rng)
    mutants = [(before, period[::-1], 0), (before + "0", period, 0), (before, period + "0", 0), (before, period, 1), (period[0], period[1:] or "1", 0), (before, str(int(period) + 1), 0)]
    case = numeric(rng, spell, (before, period, 0), mutants, rf"\frac{{{value.numerator}}}{{{value.denominator}}}", rf"0.{before}\overline{{{period}{period}}}", f"{value.numerator}/{value.denominator}")
    return Case(case.gold, case.key, case.right, (*case.wrong, (f"0.{before}{period}", None), (f"0.{before}{period * 3}", None), (rf"\frac{{{value.denominator}}}{{{value.numerator}}}", None)))


def higher_roots(rng: Rng) -> Case:
    n, degree = rng.choice((2, 3, 5, 6, 7, 10, 12, 20)), rng.randint(3, 7)

    def spell(n: int, degree: int, factor: int) -> tuple[str, Any]:
        return f"{factor if factor != 1 else ''}\\sqrt[{degree}]{{{n}}}", factor * mpmath.root(n, degree)

    factor = rng.choice((1, rng.randint(2, 9), -3))
    mutants = [(n, degree + 1, factor), (n, 2, factor), (n + 1, degree, factor), (n, degree, -factor), (n, degree, factor + 1), (degree, max(n, 2), factor), (n * 10, degree, factor)]
    case = numeric(rng, spell, (n, degree, factor), mutants, f"{factor}*{n}^{{1/{degree}}}", rf"{factor}\sqrt[{degree}]{{{n}}}", rf"{factor}\cdot\sqrt[{degree}] {{{n}}}")
    return Case(case.gold, case.key, case.right, (*case.wrong, (rf"{degree}\sqrt{{{n}}}", None), (rf"\sqrt{{{n}}}", None)))


def logarithms(rng: Rng) -> Case:
    a, b = rng.sample((2, 3, 5, 6, 7, 10, 11, 13), 2)

    def spell(a: int, b: int, factor: int) -> tuple[str, Any]:
        return f"{factor if factor != 1 else ''}\\log_{{{a}}} {b}", factor * mpmath.log(b) / mpmath.log(a)

    factor = rng.choice((1, 2, 3, -2))
    mutants = [(b, a, factor), (a, b + 1, factor), (a + 1, b, factor), (a, b, -factor), (a, b, factor + 1), (a, b * 10, factor)]
    case = numeric(rng, spell, (a, b, factor), mutants, rf"{factor}\frac{{\ln {b}}}{{\ln {a}}}", rf"{factor}\log_{a}({b})", rf"\frac{{{factor}\log {b}}}{{\log {a}}}")
    return Case(case.gold, case.key, case.right, (*case.wrong, (rf"{factor}\log {b}", None) if a != 10 else ("10", None), (rf"\log_{{{a}}} x", None)))


def number_words(rng: Rng) -> Case:
    n = rng.randint(2, 999)
    wrong = [(text, key_of(m)) for m in digits_changed(rng, n) for text in (str(m), speak(m) or str(m))]
    wrong += [(rf"\frac{{{n}}}{{2}}", None), (f"{speak(n)} thousand and one", None), (f"{speak(n)} halves", None), (f"{speak(n)} over {speak(n + 1)}", None)]
    return Case(rf"\text{{{speak(n)}}}", key_of(n), (str(n), speak(n) or "", rf"\text{{{speak(n)}}}", (speak(n) or "").capitalize()), tuple(wrong))


def units(rng: Rng) -> Case:
    n, unit = rng.randint(2, 9999), rng.choice(("cm", "m", "kg", "miles", "square units", "hours", "apples", "km/h", "cm^2", "m^3", "points"))
    written = rf"{n}\text{{ {unit.split('^')[0]}}}" + ("^" + unit.split("^")[1] if "^" in unit else "")
    tail = written.removeprefix(str(n))
    wrong = [(f"{m}{tail}", key_of(m)) for m in digits_changed(rng, n)]
    wrong += [(rf"\frac{{{n}}}{{7}}{tail}", None), (f"{n} million {unit}", None), (f"{n}{tail} + 1", None), (f"{n}+{n}{tail}", None), (f"{n}.5{tail}", None), (rf"{n}\text{{ dozen {unit}}}", None), (f"{n} thousand {unit}", None)]
    wrong += [(f"{words} {unit}", key_of(m)) for m in digits_changed(rng, n) if (words := speak(m))]
    return Case(written, key_of(n), (str(n), written, rf"{n}\,{tail.strip()}", rf"\boxed{{{written}}}", f"{n}.0{tail}"), tuple(wrong))


def money(rng: Rng) -> Case:
    cents = rng.choice((rng.randint(2, 999) * 100, rng.randint(201, 99999)))

    def spell(cents: int) -> str:
        return f"{'-' if cents < 0 else ''}\\${abs(cents) // 100:,}" + (f".{abs(cents) % 100:02d}" if cents % 100 else "")

    changed = [m for m in digits_changed(rng, cents)]
    wrong = [(spell(m), m) for m in changed] + [(f"{m / 100:.2f} dollars", m) for m in changed] + [(f"{spell(cents)} million", None), (f"{cents} dollars", 100 * cents), (f"{spell(cents)} and {spell(cents + 100)}", None), (f"{spell(cents)} off {spell(cents + 700)}", None)]
    return Case(spell(cents), cents, (spell(cents), f"{cents / 100:.2f}", f"{cents / 100:.2f} dollars", rf"\$ {cents / 100:,.2f}"), tuple(wrong))


def degrees(rng: Rng) -> Case:
    n = rng.randint(2, 359)
    wrong = [(text, key_of(m)) for m in digits_changed(rng, n) for text in (rf"{m}^\circ", f"{m} degrees", f"{m}°", str(m))]
    turn = Fraction(n + 1, 180)
    wrong += [(rf"\frac{{{turn.numerator}\pi}}{{{turn.denominator}}}", None), (rf"{n}\pi", None), (rf"\sin {n}^\circ", None), (rf"{n}^\circ + 1^\circ", None), (f"{n}^2", None)]
    return Case(rf"{n}^\circ", key_of(n), (rf"{n}^{{\circ}}", f"{n}°", f"{n} degrees", str(n), rf"\angle ABC = {n}^\circ", rf"{n}\text{{ degrees}}"), tuple(wrong))
