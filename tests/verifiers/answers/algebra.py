"""Forms with symbols: expressions are the same if their values at a few points are, equations if their coefficients are in proportion."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from fractions import Fraction

import mpmath

from tests.verifiers.answers.case import Case, Keyed, Rng, key_of, nonzero

POINTS = (-7, Fraction(-5, 2), Fraction(-1, 3), Fraction(2, 7), 3, 11, 40)
Function = Callable[[Fraction], object]


def values(function: Function) -> Hashable:
    """The key of a function of x: its values where it is defined."""
    found = []
    for point in POINTS:
        try:
            found.append(key_of(function(Fraction(point))))
        except ZeroDivisionError:
            found.append("none")
    return tuple(found)


def polynomial(coefficients: Iterable[int], letter: str = "x") -> str:
    """``coefficients`` from the constant up; written from the highest power down."""
    parts = []
    for power, c in reversed(list(enumerate(coefficients))):
        if c:
            body = "" if power == 0 else letter if power == 1 else f"{letter}^{{{power}}}" if power > 9 else f"{letter}^{power}"
            number = "" if abs(c) == 1 and body else str(abs(c))
            parts.append(f"{'-' if c < 0 else '+' if parts else ''}{number}{body}")
    return "".join(parts) or "0"


def worth(coefficients: Iterable[int]) -> Function:
    found = list(coefficients)
    return lambda x: sum((c * x**power for power, c in enumerate(found)), Fraction(0))


def changed_coefficients(rng: Rng, found: list[int]) -> list[list[int]]:
    place = rng.randrange(len(found))
    one_off = [c + (n == place) for n, c in enumerate(found)]
    flipped = [-c if n == place else c for n, c in enumerate(found)]
    return [
        one_off,
        flipped,
        [-c for c in found],
        found[::-1],
        [0, *found],
        [*found, 1],
        [10 * c if n == place else c for n, c in enumerate(found)],
        [0 if n == place else c for n, c in enumerate(found)],
    ]


def polynomials(rng: Rng) -> Case:
    found = [nonzero(rng, 12, 1) for _ in range(rng.randint(3, 4))]
    text = polynomial(found)
    wrong: list[Keyed] = [(polynomial(other), values(worth(other))) for other in changed_coefficients(rng, found)]
    other_letter = polynomial(found, "y")
    wrong += [
        (other_letter, None),
        (text + "=0", None),
        (f"({text})^2", None),
        (f"{text}i", None),
        (rf"\frac{{{text}}}{{2}}", None),
        (rf"\text{{{text.replace('^', ' ').replace('+', ' ').replace('-', ' ')}}}", None),
    ]
    up = "+".join(f"({c})x^{{{n}}}" for n, c in enumerate(found))
    a = rng.randint(2, 5)
    right = (
        up,
        f"({text})",
        f"y={text}",
        rf"\frac{{{polynomial(a * c for c in found)}}}{{{a}}}",
        text.replace("+", " + ").replace("-", " - "),
    )
    return Case(text, values(worth(found)), (text, *right), tuple(wrong))


def products(rng: Rng) -> Case:
    """Products of two linear factors."""
    a, b, c, d = (nonzero(rng, 9, 1) for _ in range(4))

    def spell(a: int, b: int, c: int, d: int) -> tuple[str, Function]:
        return f"({polynomial([b, a])})({polynomial([d, c])})", lambda x: (a * x + b) * (c * x + d)

    text, function = spell(a, b, c, d)
    mutants = [(a, -b, c, d), (a, b, c, -d), (-a, b, c, d), (a, d, c, b), (b, a, c, d), (a, b + 1, c, d), (a, b, c + 1, d)]
    wrong = [(made, values(f)) for made, f in (spell(*m) for m in mutants)]
    wrong += [
        (f"({polynomial([b, a])})+({polynomial([d, c])})", values(lambda x: (a + c) * x + b + d)),
        (f"({polynomial([b, a])})", None),
        (f"({polynomial([b, a])})^2({polynomial([d, c])})", None),
    ]
    right = (
        text,
        polynomial([b * d, a * d + b * c, a * c]),
        f"({polynomial([d, c])})({polynomial([b, a])})",
        rf"\left({polynomial([b, a])}\right)\left({polynomial([d, c])}\right)",
        f"({polynomial([b, a])})*({polynomial([d, c])})",
    )
    return Case(text, values(function), right, tuple(wrong))


def rational_functions(rng: Rng) -> Case:
    top, bottom = [nonzero(rng, 9, 1), nonzero(rng, 5, 1)], [nonzero(rng, 9, 1), rng.randint(1, 5), 1]

    def spell(top: list[int], bottom: list[int]) -> tuple[str, Hashable]:
        return rf"\frac{{{polynomial(top)}}}{{{polynomial(bottom)}}}", values(lambda x: worth(top)(x) / worth(bottom)(x))  # type: ignore[operator]

    text, key = spell(top, bottom)
    wrong = [
        spell(bottom, top),
        *(spell(other, bottom) for other in changed_coefficients(rng, top) if any(other)),
        *(spell(top, other) for other in changed_coefficients(rng, bottom) if any(other)),
    ]
    wrong += [
        (f"{polynomial(top)}/{polynomial(bottom)}", values(lambda x: top[1] * x + top[0] / (x * x) + bottom[1] * x + bottom[0])),
        (polynomial(top), None),
    ]
    k = rng.randint(2, 6)
    right = (
        text,
        spell([k * c for c in top], [k * c for c in bottom])[0],
        f"({polynomial(top)})/({polynomial(bottom)})",
        rf"\frac{{{top[1]}x}}{{{polynomial(bottom)}}}+\frac{{{top[0]}}}{{{polynomial(bottom)}}}",
        spell([-c for c in top], [-c for c in bottom])[0],
    )
    return Case(text, key, right, tuple(wrong))


def absolute_values(rng: Rng) -> Case:
    a, b = rng.randint(1, 4), nonzero(rng, 30, 1)
    inner = polynomial([b, a])
    key = values(lambda x: abs(a * x + b))
    wrong = [
        (inner, values(worth([b, a]))),
        (polynomial([-b, -a]), values(worth([-b, -a]))),
        (f"|{polynomial([-b, a])}|", values(lambda x: abs(a * x - b))),
        (f"-|{inner}|", None),
        (f"|{polynomial([b + 1, a])}|", None),
    ]
    wrong += [
        (f"|{polynomial([0, a])}|+{abs(b)}", None),
        (rf"\sqrt{{{inner}}}", None),
        (f"({inner})^2", None),
        (rf"\sqrt{{{polynomial([-b, -a])}}}", None),
        (f"{a}|x|{b:+}", None),
    ]
    return Case(
        f"|{inner}|",
        key,
        (f"|{polynomial([-b, -a])}|", rf"\left|{inner}\right|", rf"\sqrt{{({inner})^2}}", rf"\lvert {inner} \rvert", rf"|{inner}|"),
        tuple(wrong),
    )


def waves(rng: Rng) -> Case:
    """Multiples of sine, cosine and tangent."""
    a, b, name = nonzero(rng, 9, 2), rng.randint(2, 9), rng.choice(("sin", "cos"))

    def spell(a: int, b: int, name: str) -> tuple[str, Hashable]:
        return rf"{a}\{name}({b}x)", values(lambda x: a * getattr(mpmath, name)(mpmath.mpf(b) * x.numerator / x.denominator))

    text, key = spell(a, b, name)
    wrong = [
        spell(*m)
        for m in [
            (-a, b, name),
            (a, b + 1, name),
            (a + 1, b, name),
            (b, a, name),
            (a, b, "cos" if name == "sin" else "sin"),
            (a, b, "tan"),
            (a * b, 1, name),
        ]
    ]
    wrong += [
        (rf"{a}\{name}({b}y)", None),
        (rf"\{name}({a * b}x)", None),
        (rf"{a}\{name}^{b} x", None),
        (rf"\frac{{{a}}}{{\{name}({b}x)}}", None),
        (f"{a} {name} {b}", None),
    ]
    shift = rf"{a}\cos({b}x-\frac{{\pi}}{{2}})" if name == "sin" else rf"{a}\sin({b}x+\frac{{\pi}}{{2}})"
    return Case(text, key, (text, rf"{a}\{name} {b}x", rf"{a} \cdot \{name}{{({b}x)}}", shift, rf"y={a}\{name}({b}x)"), tuple(wrong))


def equations(rng: Rng) -> Case:
    found = [nonzero(rng, 20, 1) for _ in range(3)]

    def spell(a: int, b: int, c: int) -> tuple[str, Hashable]:
        return f"{a}x{b:+}y{c:+}=0".replace("1x", "1x"), tuple(Fraction(n, a) for n in (a, b, c))

    a, b, c = found
    text, key = spell(a, b, c)
    mutants = [
        (a, -b, c),
        (a, b, -c),
        (-a, b, c),
        (b, a, c),
        (a, c, b),
        (a + 1 or 2, b, c),
        (a, b + 1, c),
        (a, b, c + 1),
        (c, b, a),
        (10 * a, b, c),
    ]
    wrong: list[Keyed] = [spell(*m) for m in mutants]
    wrong += [
        (f"{a}x{b:+}y{c:+}>0", None),
        (f"{a}x{b:+}y{c:+}", None),
        (f"{a}x{b:+}z{c:+}=0", None),
        ("0", None),
        (str(-c), None),
        (f"{a}x{b:+}y{c:+}=1", None),
        (f"x={Fraction(-c, a)}", None),
        (f"{a}x^2{b:+}y{c:+}=0", None),
    ]
    slope, offset = Fraction(-a, b), Fraction(-c, b)
    right = (
        spell(2 * a, 2 * b, 2 * c)[0],
        spell(-a, -b, -c)[0],
        f"{a}x{b:+}y={-c}",
        f"{a}x={-b}y{-c:+}",
        rf"y=\frac{{{slope.numerator}}}{{{slope.denominator}}}x+\frac{{{offset.numerator}}}{{{offset.denominator}}}",
    )
    return Case(text, key, (text, *right), tuple(wrong))


def families(rng: Rng) -> Case:
    """Angles up to a period: the offset in a period, and the period, in parts of pi."""
    bottom = rng.choice((3, 4, 5, 6, 8, 12))
    offset, period = Fraction(rng.choice((1, bottom - 1, -1)), bottom), rng.choice((1, 2))

    def spell(offset: Fraction, period: Fraction, letter: str = "k") -> tuple[str, Hashable]:
        sign, top = ("-" if offset < 0 else ""), abs(offset.numerator)
        step = f"{period}{letter}\\pi".removeprefix("1")
        return rf"{sign}\frac{{{top}\pi}}{{{offset.denominator}}}+{step}, {letter}\in\mathbb{{Z}}".replace(r"{1\pi}", r"{\pi}"), (
            offset % period,
            period,
        )

    text, key = spell(offset, Fraction(period))
    wrong: list[Keyed] = [
        spell(offset, Fraction(3 - period)),
        spell(offset, Fraction(4)),
        spell(-offset, Fraction(period)),
        spell(offset + Fraction(1, 7), Fraction(period)),
        spell(1 / offset, Fraction(period)),
    ]
    wrong += [
        (text.partition("+")[0], None),
        (f"{period}k\\pi", None),
        (text.replace(r"\mathbb{Z}", r"\{0, 1\}"), None),
        (r"k\in\mathbb{Z}", None),
        (text.replace(r"\pi}", "}"), None),
        (text.partition("+")[0] + r", k\in\mathbb{Z}", None),
    ]
    bare = text.partition(",")[0]
    right = (
        text,
        bare,
        spell(offset, Fraction(period), "n")[0],
        f"x={text}",
        bare + r"\ (k\in\mathbb{Z})",
        bare + r", \quad k \in \mathbb Z",
    )
    return Case(text, key, right, tuple(wrong), prose=False)
