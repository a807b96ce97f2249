"""Forms of letters and words: orders, patterns, names, choices."""

from __future__ import annotations

from collections.abc import Sequence

from tests.verifiers.answers.case import Case, Keyed, Rng, shuffled

WORDS = (
    "even", "odd", "Monday", "Tuesday", "circle", "ellipse", "hyperbola", "parabola", "increasing", "decreasing", "Clara",
    "Carla", "north", "south", "yes", "no", "positive",
    "negative", "rational", "irrational", "Alice", "Celia", "triangle", "acute", "obtuse", "left", "right", "July", "June",
    "convex", "concave", "linear", "quadratic",
)  # fmt: skip


SIGNED_WORDS = (
    "C++",
    "C#",
    "C",
    "A+",
    "A-",
    "A",
    "B+",
    "B-",
    "x'",
    "x",
    "x''",
    "+",
    "-",
    "+1",
    "-1",
    "H2O",
    "H3O+",
    "OH-",
    "NaCl",
    "Na+",
    "Cl-",
)


NOTHING = ("no solution", "No solution", r"\text{no solution}", r"\emptyset", r"\text{no real solutions}", r"\varnothing")


EVERYTHING = ("infinitely many", "infinitely many solutions", r"\text{infinitely many}", r"\text{infinitely many solutions}")


OTHERS = (
    "one solution",
    "0",
    "1",
    r"\{0\}",
    "x=0",
    "x = 1",
    "solution",
    "two solutions",
    "exactly one",
    "all of them",
    "5",
    "no",
    "unique solution",
    r"\{\emptyset\}",
    "a solution",
    "not clear",
)


ROMAN = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


def letter_orders(rng: Rng) -> Case:
    letters = shuffled(rng, "ABCDEFGH"[: rng.randint(3, 6)])

    def spell(letters: Sequence[str]) -> Keyed:
        return "".join(letters), tuple(letters)

    text, key = spell(letters)
    swapped = [letters[1], letters[0], *letters[2:]]
    wrong = [
        spell(letters[::-1]),
        spell(swapped),
        spell(sorted(letters)),
        spell(shuffled(rng, letters)),
        spell(letters[:-1]),
        spell([*letters, letters[0]]),
        (" ".join(letters[::-1]), tuple(letters[::-1])),
        (", ".join(swapped), tuple(swapped)),
        ("*".join(swapped), tuple(swapped)),
        (f"2{text}", None),
        (f"-{text}", None),
        (letters[0], None),
        (f"{text}^2", None),
        (" > ".join(swapped), None),
    ]
    return Case(text, key, (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}"), tuple(wrong))


def truth_patterns(rng: Rng) -> Case:
    signs = [rng.choice("TF") for _ in range(rng.randint(3, 6))]
    if len(set(signs)) == 1:
        return truth_patterns(rng)
    text = "".join(signs)

    def spell(signs: Sequence[str]) -> Keyed:
        return "".join(signs), tuple(signs)

    flipped = ["F" if sign == "T" else "T" for sign in signs]
    wrong = [
        spell(signs[::-1]),
        spell(flipped),
        spell(sorted(signs)),
        spell(sorted(signs)[::-1]),
        spell(shuffled(rng, signs)),
        spell(signs[:-1]),
        spell([*signs, "T"]),
        spell([flipped[0], *signs[1:]]),
        (", ".join(flipped), None),
        (signs[0], None),
        ("True", None),
        (f"-{text}", None),
        (f"2{text}", None),
    ]
    return Case(text, tuple(signs), (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}"), tuple(wrong))


def figures(rng: Rng) -> Case:
    """Angles and triangles by their letters; the ends of an angle may be swapped."""
    (mark, sign), letters = rng.choice(((r"\angle", "∠"), (r"\triangle", "△"))), rng.sample("ABCDEPQRSTXYZ", 3)
    a, b, c = letters

    def spell(*letters: str) -> Keyed:
        return f"{mark} {''.join(letters)}", letters

    text, key = spell(a, b, c)
    wrong: list[Keyed] = [
        spell(b, a, c),
        spell(a, c, b),
        spell(c, a, b),
        spell(b, c, a),
        spell(a, b),
        spell(a, b, b),
        spell(a, b, "W"),
        (f"{a}{c}{b}", None),
        (f"{mark} {a}", None),
        (f"{a}+{b}+{c}", None),
    ]
    return Case(text, key, (text, f"{mark}{{{a}{b}{c}}}", f"{sign}{a}{b}{c}", rf"{mark}\, {a}{b}{c}"), tuple(wrong))


def to_roman(n: int) -> str:
    text = ""
    for worth, sign in ROMAN:
        while n >= worth:
            text, n = text + sign, n - worth
    return text


def roman(rng: Rng) -> Case:
    n = rng.choice([n for n in range(4, 120) if len(to_roman(n)) > 1])
    text = to_roman(n)
    wrong: list[Keyed] = [
        (text[::-1], None if text != text[::-1] else n),
        (to_roman(n + 1), n + 1),
        (to_roman(n - 1), n - 1),
        (to_roman(n + 10), n + 10),
        (text + "I", None),
        (text[1:], None),
        (text[:-1], None),
        (str(n + 1), None),
        (f"-{text}", None),
        (f"2{text}", None),
        ("*".join(text[::-1]), None if text != text[::-1] else n),
        (" ".join(text[::-1]), None if text != text[::-1] else n),
        ("".join(sorted(text)), None if list(text) != sorted(text) else n),
    ]
    return Case(text, n, (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}", rf"\textbf{{{text}}}"), tuple(wrong))


def squares(rng: Rng) -> Case:
    """Fields of a board, points and cells named by a letter and a number."""
    letter, n = rng.choice("BCDEFGH"), rng.randint(2, 9)
    text = f"{letter}{n}"
    wrong: list[Keyed] = [
        (f"{n}{letter}", None),
        (f"{letter}{n + 1}", None),
        (f"{chr(ord(letter) + 1)}{n}", None),
        (letter, None),
        (str(n), None),
        (f"{letter}^{n}", None),
        (f"{letter}*{n}", None),
        (f"{n}*{letter}", None),
        (f"-{text}", None),
        (f"{letter}{n}{n}", None),
        (f"A{n}", None),
        (f"{n} {letter}", None),
        (f"{letter}, {n}", None),
    ]
    return Case(text, text, (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}"), tuple(wrong))


def names(rng: Rng) -> Case:
    word = rng.choice(WORDS)
    gold = rng.choice((word, rf"\text{{{word}}}"))
    others = [other for other in WORDS if other != word]
    first = rng.choice(others)
    wrong: list[Keyed] = [(other, other) for other in rng.sample(others, 5)] + [
        (word[::-1], None),
        (word[:-1], None),
        (word + "s", None),
        (f"non{word}", None),
        (f"{word} {first}", None),
        (f"{first} {word}", None),
        ("".join(shuffled(rng, word)) + "x", None),
        (f"{word} and {first}", None),
        (word[0], None),
        (f"in{word}", None),
        (f"opposite of {word}", None),
        ("5", None),
    ]
    return Case(
        gold,
        word,
        (word, rf"\text{{{word}}}", word.lower(), word.upper(), rf"\textbf{{{word}}}", f"{word}.", rf"\mathrm{{{word}}}"),
        tuple(wrong),
    )


def signed_words(rng: Rng) -> Case:
    word = rng.choice(SIGNED_WORDS)
    wrong: list[Keyed] = [(other, other) for other in SIGNED_WORDS if other != word and other.replace("+1", "1") != word]
    return Case(rf"\text{{{word}}}", word, (rf"\text{{{word}}}", rf"\boxed{{\text{{{word}}}}}"), tuple(wrong), prose=False)


def choices(rng: Rng) -> Case:
    letter = rng.choice("ABCDE")
    gold = rng.choice((letter, rf"\text{{({letter})}}", rf"\text{{{letter}}}", f"({letter})"))
    others = [other for other in "ABCDE" if other != letter]
    other = rng.choice(others)
    wrong: list[Keyed] = [(one, one) for one in others] + [
        (f"({other})", None),
        (f"({other}) {letter}", None),
        (f"{letter}{other}", None),
        (f"{letter} or {other}", None),
        (f"{other}. {letter}", None),
        (f"{letter}, {other}", None),
        (f"not {letter}", None),
        (f"{letter}+1", None),
        (f"2{letter}", None),
        (f"Option {other}", None),
        (f"{other} rather than {letter}", None),
        (f"all but {letter}", None),
        (rf"\textbf{{({other})}}", None),
    ]
    wrong += [
        (f"{letter} is wrong", None),
        (f"It isn't {letter}", None),
        (f"anything but {letter}", None),
        (f"neither {letter} nor {other}", None),
        (f"either {letter} or {other}", None),
    ]
    return Case(
        gold,
        letter,
        (
            letter,
            f"({letter})",
            rf"\text{{{letter}}}",
            rf"\textbf{{({letter})}}",
            rf"\text{{({letter})}}",
            f"{letter}.",
            rf"\mathrm{{({letter})}}",
            f"({letter}) 17",
        ),
        tuple(wrong),
        prose=False,
    )


def nothing_or_everything(rng: Rng) -> Case:
    which = rng.choice((NOTHING, EVERYTHING))
    other = EVERYTHING if which is NOTHING else NOTHING
    gold = rng.choice(which)
    wrong = [(text, None) for text in (*other, *OTHERS)]
    right = [text for text in which if ("solution" in text) == ("solution" in gold) and ("real" in text) == ("real" in gold)]
    return Case(gold, which, (gold, *right), tuple(wrong), prose=False)
