"""Plain numbers: each form gives a gold, rewrites of it, and other numbers or part of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import mpmath

from tests.verifiers.answers.case import Case, Keyed, Rng, bare, digits_changed, fraction_text, key_of, nonzero, speak


def numeric(
    rng: Rng, spell: Callable[..., tuple[str, Any]], params: tuple[Any, ...], mutants: Iterable[tuple[Any, ...]], *right: str, **more: Any
) -> Case:
    """A number spelled from ``params``; ``mutants`` are other parameters. Wrong too: the gold in an operation, and its bare digits."""
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
    case = numeric(
        rng,
        lambda n: (str(n), n),
        (n,),
        ((m,) for m in digits_changed(rng, n)),
        f"{n}.0",
        f"+{n}",
        f"{n:,}",
        f"{2 * n}/2",
        f"x = {n}",
        rf"{n}\text{{ cm}}",
        *([spelled] if spelled else []),
    )
    wrong = (
        (f"{n}_{{{base}}}", key_of(int(str(n), base))),
        (f"{n}!", None if n > 2 else case.key),
        (f"{n}e3", None),
        (f"{n}:{n + 1}", None),
        (f"{n} {n}", None),
        (f"{n} thousand", None),
    )
    return Case(case.gold, case.key, case.right, case.wrong + wrong)


def negative_integers(rng: Rng) -> Case:
    n = -rng.choice((rng.randint(2, 99), rng.randint(100, 99999)))
    return numeric(
        rng,
        lambda n: (str(n), n),
        (n,),
        ((m,) for m in digits_changed(rng, n)),
        f"{n}.0",
        f"−{-n}",
        f"({n})",
        f"x = {n}",
        f"{2 * n}/2",
        speak(n) or str(n),
        f"- {-n}",
    )


def thousands(rng: Rng) -> Case:
    n = rng.randint(1000, 9_999_999)
    right = (f"{n}", f"{n:,}", f"{n:,}".replace(",", r",\!"), f"{n:,}".replace(",", "{,}"), f"{n:,}".replace(",", r"\,"))
    wrong = [(f"{m:,}", key_of(m)) for m in digits_changed(rng, n)] + [(str(m), key_of(m)) for m in digits_changed(rng, n)]
    wrong += [
        (f"{n:,}"[:-1], None),
        (f"{n:,}".replace(",", "."), None if n > 10**6 else key_of(Fraction(n, 1000))),
        (f"{n // 1000}, {n % 1000 + 1}", None),
        (f"{n:,} million", None),
        (f"{n:,}, 000", None),
    ]
    return Case(f"{n:,}", key_of(n), right, tuple(wrong))


def fractions(rng: Rng) -> Case:
    value = Fraction(nonzero(rng, 60, 1), rng.randint(2, 40))
    if value.denominator == 1:
        return fractions(rng)
    top, bottom = value.numerator, value.denominator
    mutants = [
        (Fraction(bottom, top),),
        (-value,),
        (-1 / value,),
        (value + 1,),
        *((Fraction(m, bottom),) for m in digits_changed(rng, top)),
        *((Fraction(top, m),) for m in digits_changed(rng, bottom) if m),
    ]
    right = (
        rf"\dfrac{{{top}}}{{{bottom}}}",
        f"{top}/{bottom}",
        rf"\frac{{{3 * top}}}{{{3 * bottom}}}",
        rf"\frac{{{-top}}}{{{-bottom}}}",
        f"{top} / {bottom}",
        rf"x=\tfrac{{{top}}}{{{bottom}}}",
    )
    return numeric(rng, lambda v: (fraction_text(v, rng), v), (value,), mutants, *right)


def decimals(rng: Rng) -> Case:
    places = rng.randint(1, 4)
    n = nonzero(rng, 99999, 11)
    if n % 10 == 0:
        return decimals(rng)

    def spell(n: int, places: int) -> tuple[str, Fraction]:
        return f"{n / 10**places:.{places}f}", Fraction(n, 10**places)

    text, value = spell(n, places)
    mutants = [
        *((m, places) for m in digits_changed(rng, n)),
        (n, places + 1),
        (n, places - 1 or 2),
        (-n, places),
        (10 * n + 1, places + 1),
    ]
    case = numeric(
        rng,
        spell,
        (n, places),
        mutants,
        f"{text}0",
        text.replace("0.", ".", 1) if abs(value) < 1 else text,
        rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        f"${text}$",
        f"x={text}",
    )
    return Case(
        case.gold,
        case.key,
        case.right,
        (
            *case.wrong,
            (text.replace(".", ","), None),
            (text.replace(".", "/"), None),
            (text.replace(".", ":"), None),
            (text.replace(".", " "), None),
        ),
    )


def percents(rng: Rng) -> Case:
    n = rng.randint(2, 150)

    def spell(n: int) -> tuple[str, int]:
        return rng.choice((rf"{n}\%", f"{n}%", f"{n} percent")), n

    case = numeric(
        rng, spell, (n,), ((m,) for m in digits_changed(rng, n)), f"{n}%", rf"{n}\%", f"{n} percent", f"{n} pct", f"{n}", f"{n} %"
    )
    wrong = tuple((text, key) for text, key in case.wrong if "%" not in text[-12:-2])
    return Case(
        case.gold,
        case.key,
        case.right,
        (*wrong, (f"0.{n:03d}%", None), (f"{n * 10}%", None), (f"-{n}%", None)),
        also=frozenset({key_of(Fraction(n, 100))}),
    )


def mixed_numbers(rng: Rng) -> Case:
    whole, bottom = rng.randint(2, 20), rng.randint(3, 12)
    top = next(t for t in range(rng.randint(1, bottom - 1), 0, -1) if math.gcd(t, bottom) == 1)
    sign = rng.choice((1, -1))

    def spell(whole: int, top: int, bottom: int, sign: int) -> tuple[str, Fraction]:
        text = rng.choice((f"{whole} {top}/{bottom}", rf"{whole}\frac{{{top}}}{{{bottom}}}", rf"{whole} \frac{{{top}}}{{{bottom}}}"))
        return ("-" if sign < 0 else "") + text, sign * (whole + Fraction(top, bottom))

    value = spell(whole, top, bottom, sign)[1]
    mutants = [
        (whole, top, bottom, -sign),
        (whole + 1, top, bottom, sign),
        (whole, top, bottom + 1, sign),
        (top, whole, bottom, sign) if whole < bottom else (whole + 10, top, bottom, sign),
    ]
    case = numeric(
        rng,
        spell,
        (whole, top, bottom, sign),
        mutants,
        rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        f"{value.numerator}/{value.denominator}",
        f"{'-' if sign < 0 else ''}{whole} {top}/{bottom}",
    )
    others = [
        (f"{sign * whole}", key_of(sign * whole)),
        (rf"\frac{{{whole * top}}}{{{bottom}}}", key_of(Fraction(whole * top, bottom))),
        (f"{whole}{top}/{bottom}", key_of(Fraction(int(f"{whole}{top}"), bottom))),
    ]
    return Case(case.gold, case.key, case.right, (*case.wrong, *others))


def recurring(rng: Rng) -> Case:
    before, period = rng.choice(("", "", str(rng.randint(0, 9)))), str(rng.randint(1, 998))

    def spell(before: str, period: str, whole: int) -> tuple[str, Fraction]:
        value = whole + Fraction(int(before or "0"), 10 ** len(before)) + Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(before))
        return rf"{whole}.{before}\overline{{{period}}}", value

    value = spell(before, period, 0)[1]
    if value.denominator == 1 or set(period) == {"9"}:
        return recurring(rng)
    mutants = [
        (before, period[::-1], 0),
        (before + "0", period, 0),
        (before, period + "0", 0),
        (before, period, 1),
        (period[0], period[1:] or "1", 0),
        (before, str(int(period) + 1), 0),
    ]
    case = numeric(
        rng,
        spell,
        (before, period, 0),
        mutants,
        rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        rf"0.{before}\overline{{{period}{period}}}",
        f"{value.numerator}/{value.denominator}",
    )
    return Case(
        case.gold,
        case.key,
        case.right,
        (
            *case.wrong,
            (f"0.{before}{period}", None),
            (f"0.{before}{period * 3}", None),
            (rf"\frac{{{value.denominator}}}{{{value.numerator}}}", None),
        ),
    )


def one_of_several(rng: Rng) -> Case:
    """A number among other numbers in a sentence."""
    n = rng.randint(2, 99)
    m, k = (value for value in rng.sample(range(100, 999), 2))
    wrong: list[Keyed] = [(f"{m} - {m - other} = {other}", key_of(other)) for other in digits_changed(rng, n) if other > 0]
    wrong += [
        (f"{n} of {m}", None),
        (f"{n} out of {m}", None),
        (f"between {n} and {m}", None),
        (f"{n} to {m}", None),
        (f"{m} less {n}", None),
        (f"{n} and {m} and {k}", None),
        (f"from {n} to {m}", None),
        (f"{n} per {m}", None),
        (f"{n}-{m}", None),
        (f"{n} plus {m}", None),
        (f"{n} divided by {k}", None),
        (f"{n} over {m}", None),
        (f"{n} point 5", None),
        (f"{n} minus 1", None),
        (f"{n} choose 2", None) if n != 3 else ("4", None),
        (f"{n} and a half", None),
        (f"{n} percent of {m}", None),
        (f"{n} mod {k}", None) if n > 999 else ("0", None),
    ]
    return Case(str(n), key_of(n), (str(n), f"{m} - {m - n} = {n}", rf"{m} - {m - n} = \boxed{{{n}}}"), tuple(wrong))
