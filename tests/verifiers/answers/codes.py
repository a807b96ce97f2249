"""Forms that are read sign by sign: times, numbers in other bases, orders of letters, names, choices."""

from __future__ import annotations

from collections.abc import Sequence

from tests.verifiers.answers.case import Case, Keyed, Rng, digits_changed, key_of, shuffled, speak

WORDS = (
    "even", "odd", "Monday", "Tuesday", "circle", "ellipse", "hyperbola", "parabola", "increasing", "decreasing", "Clara", "Carla", "north", "south", "yes", "no", "positive",
    "negative", "rational", "irrational", "Alice", "Celia", "triangle", "acute", "obtuse", "left", "right", "July", "June", "convex", "concave", "linear", "quadratic",
)  # fmt: skip
SIGNED_WORDS = ("C++", "C#", "C", "A+", "A-", "A", "B+", "B-", "x'", "x", "x''", "+", "-", "+1", "-1", "H2O", "H3O+", "OH-", "NaCl", "Na+", "Cl-")
NOTHING = ("no solution", "No solution", r"\text{no solution}", r"\emptyset", r"\text{no real solutions}", r"\varnothing")
EVERYTHING = ("infinitely many", "infinitely many solutions", r"\text{infinitely many}", r"\text{infinitely many solutions}")
OTHERS = ("one solution", "0", "1", r"\{0\}", "x=0", "x = 1", "solution", "two solutions", "exactly one", "all of them", "5", "no", "unique solution", r"\{\emptyset\}", "a solution", "not clear")
ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def times(rng: Rng) -> Case:
    hour, minute, half = rng.randint(1, 12), rng.randint(1, 59), rng.choice(("AM", "PM"))

    def spell(hour: int, minute: int, half: str) -> Keyed:
        return f"{hour}:{minute:02d} {half}", (hour % 12 + 12 * (half == "PM"), minute)

    text, key = spell(hour, minute, half)
    other = "AM" if half == "PM" else "PM"
    wrong: list[Keyed] = [spell(hour, minute, other), spell(hour % 12 + 1, minute, half), spell(hour, (minute + 1) % 60, half), spell(minute % 12 or 12, hour * 5 % 60, half), spell(hour, minute // 10 + minute % 10 * 10, half) if minute % 10 < 6 else spell(hour, 0, half)]
    wrong += [(f"{hour}:{minute:02d} {'p' if half == 'AM' else 'a'}.m.", None), (rf"\frac{{{hour}}}{{{minute}}}", None), (f"{hour}.{minute:02d}", None), (f"{hour}{minute:02d}", None), (f"{hour}", None), (f"{minute} {half}", None), (f"{hour} {half}", None)]
    wrong += [(f"{hour % 12 + (half == 'AM') * 12}:{minute:02d}:30", None), (f"{hour} hours {minute} minutes", None)]
    dotted = f"{half[0].lower()}.m."
    right = (text, f"{hour}:{minute:02d} {dotted}", f"{hour}:{minute:02d}{half.lower()}", rf"{hour}:{minute:02d}\text{{ {dotted}}}", f"{hour}:{minute:02d} {half.lower()}", rf"{hour}:{minute:02d}\ \text{{{half}}}", f"{hour:02d}:{minute:02d} {half}")
    return Case(text, key, right, tuple(wrong))


def clock(rng: Rng) -> Case:
    """Times without halves of the day."""
    hour, minute = rng.randint(0, 23), rng.randint(1, 59)

    def spell(hour: int, minute: int) -> Keyed:
        return f"{hour}:{minute:02d}", (hour, minute)

    text, key = spell(hour, minute)
    wrong: list[Keyed] = [spell((hour + 1) % 24, minute), spell(hour, (minute + 1) % 60), spell(minute % 24, min(hour, 59)), spell((hour + 5) % 24, minute)]
    wrong += [(f"{hour}/{minute}", None), (f"{hour}.{minute:02d}", None), (f"{hour}{minute:02d}", None), (f"{hour}*{minute}", None), (f"{hour}:{minute}", None) if minute < 10 else ("0:00", None), (str(hour), None), (f"-{text}", None), (f"{text}:01", None)]
    return Case(text, key, (text, f"{hour:02d}:{minute:02d}", rf"{hour}\!:\!{minute:02d}", f"{text}:00"), tuple(wrong))


def durations(rng: Rng) -> Case:
    hours, minutes = rng.randint(1, 20), rng.randint(1, 59)

    def spell(hours: int, minutes: int) -> Keyed:
        return f"{hours} hours {minutes} minutes", 60 * hours + minutes

    text, key = spell(hours, minutes)
    wrong = [spell(minutes, hours), spell(hours + 1, minutes), spell(hours, minutes + 1), spell(hours, 10 * minutes), (f"{minutes} hours {hours} minutes", 60 * minutes + hours), (f"{hours} hours", 60 * hours), (f"{minutes} minutes", minutes), (f"{hours * 60 + minutes + 1} minutes", None), (f"{hours} minutes {minutes} seconds", None), (f"{hours} days {minutes} hours", None), (f"{hours}.{minutes:02d} hours", None), (str(hours), None), (f"{hours + minutes}", None), (f"-{text}", None)]
    right = (text, f"{hours} hours and {minutes} minutes", f"{hours} h {minutes} min", rf"{hours}\text{{ hours }}{minutes}\text{{ minutes}}", f"{60 * hours + minutes} minutes", f"{hours} hr {minutes} min")
    return Case(text, key, right, tuple(wrong))


def _prefixed(rng: Rng, prefix: str, base: int, form: str) -> Case:
    n = rng.randint(base + 1, 50000 if base == 16 else 300)

    def spell(n: int) -> Keyed:
        return f"{prefix}{n:{form}}", n

    text, key = spell(n)
    digits = text[2:]
    changed = [f"{digits[::-1]}", f"{digits}0", digits[1:], digits[:-1], "0", digits[0] * len(digits), "1" + digits]
    wrong: list[Keyed] = [spell(n + 1), spell(n - 1), spell(2 * n), (str(n + 1), n + 1), *((prefix + one, int(one, base)) for one in changed if one)]
    for other, worth in (("0x", 16), ("0b", 2), ("0o", 8)):
        if all(int(digit, 16) < worth for digit in digits) and other != prefix:
            wrong.append((other + digits, int(digits, worth)))
    if digits.isdigit():
        wrong += [(digits, int(digits)), (digits[::-1], int(digits[::-1]))]
    wrong += [(f"-{text}", None), (f"{text}+1", None), (f"0{digits}", int(f"0{digits}") if digits.isdigit() else None), (prefix, None)]
    return Case(text, key, (text, text[:2] + text[2:].upper(), text[:2] + text[2:].lower(), f"0x{digits}" if base == 16 else text), tuple(pair for pair in wrong if pair[0] not in (text, "")))


def hexadecimal(rng: Rng) -> Case:
    return _prefixed(rng, "0x", 16, rng.choice("xX"))


def binary(rng: Rng) -> Case:
    return _prefixed(rng, "0b", 2, "b")


def octal(rng: Rng) -> Case:
    return _prefixed(rng, "0o", 8, "o")


def in_base(n: int, base: int) -> str:
    return (in_base(n // base, base) if n >= base else "") + str(n % base)


def other_bases(rng: Rng) -> Case:
    n, base = rng.randint(20, 3000), rng.randint(2, 9)

    def spell(n: int, base: int) -> Keyed:
        return f"{in_base(n, base)}_{base}", n

    text, key = spell(n, base)
    digits = in_base(n, base)
    wrong: list[Keyed] = [spell(n + 1, base), spell(n - 1, base), spell(n * base, base), (f"{digits}_{base + 1}", int(digits, base + 1)), (f"{digits[::-1]}_{base}", int(digits[::-1], base)), (f"{base}_{{{digits}}}", None), (f"{digits}^{base}", None), (f"{digits}{base}", None), (f"-{text}", None), (f"{digits[::-1]}", None if digits != digits[::-1] else key), (in_base(n + 1, base), None)]
    wrong += [(f"{digits}_x", None), (" ".join(digits) + f" {base}", None), (f"{digits}/{base}", None), (f"{digits}_{{10}}", int(digits))]
    return Case(text, key, (text, f"{digits}_{{{base}}}", rf"{digits}_{{\text{{{speak(base)}}}}}", f"({digits})_{base}"), tuple(wrong))


def remainders(rng: Rng) -> Case:
    q, r = rng.randint(3, 99), rng.randint(1, 20)

    def spell(q: int, r: int) -> Keyed:
        return f"{q} R {r}", (q, r)

    text, key = spell(q, r)
    wrong: list[Keyed] = [spell(r, q), spell(q + 1, r), spell(q, r + 1), spell(q, r * 10), (str(q), None), (str(q * r), None), (f"{q}R", None), (f"R {r}", None), (f"{r} remainder {q}", (r, q)), (f"{q}.{r}", None), (f"{q}/{r}", None), (f"{q}{r}", None), (f"{q} R -{r}", None), (f"-{text}", None), (f"{q}, {r + 1}", None), (f"{q} {r}", None)]
    return Case(text, key, (text, f"{q}R{r}", f"{q} r {r}", f"{q} remainder {r}", rf"{q}\text{{ R }}{r}", rf"{q} \text{{ remainder }} {r}"), tuple(wrong))


def dimensions(rng: Rng) -> Case:
    sides = rng.sample(range(2, 40), rng.choice((2, 2, 3)))

    def spell(sides: Sequence[int]) -> Keyed:
        return " x ".join(map(str, sides)), tuple(sides)

    text, key = spell(sides)
    product = 1
    for side in sides:
        product *= side
    wrong: list[Keyed] = [spell(sides[::-1]), spell(shuffled(rng, sides)), spell([sides[0] + 1, *sides[1:]]), spell([*sides, 1]), spell(sides[:-1]) if len(sides) > 2 else spell([*sides, 2]), (str(product), None), (f"{product}x", None), (f"{sides[0]}x", None), ("+".join(map(str, sides)), None), ("/".join(map(str, sides)), None), (f"-{text}", None), ("".join(map(str, sides)), None), (rf"{sides[1]} \times {sides[0]}", None), (f"{sides[0]}x^{sides[1]}", None)]
    return Case(text, key, (text, text.replace(" ", ""), text.replace(" x ", r" \times "), text.replace(" x ", " by "), text.replace("x", "×")), tuple(wrong))


def sequences(rng: Rng) -> Case:
    items = [rng.randint(0, 30) for _ in range(rng.randint(4, 6))]
    if len(set(items)) < 3:
        return sequences(rng)

    def spell(items: Sequence[int]) -> Keyed:
        return " ".join(map(str, items)), tuple(items)

    text, key = spell(items)
    product = 1
    for item in items:
        product *= item
    swapped = [items[1], items[0], *items[2:]]
    wrong: list[Keyed] = [spell(items[::-1]), spell(swapped), spell(shuffled(rng, items)), spell(sorted(items)), spell(items[:-1]), spell([*items, items[-1]]), spell([items[0] + 1, *items[1:]]), (str(product), None), (str(sum(items)), None), ("".join(map(str, items)), None), ("+".join(map(str, items)), None), ("*".join(map(str, items)), None), (", ".join(map(str, swapped)), tuple(swapped)), (str(items[-1]), None)]
    return Case(text, key, (text, text.replace(" ", "  "), text.replace(" ", ", "), text.replace(" ", r"\ ")), tuple(wrong))


def grids(rng: Rng) -> Case:
    size = rng.choice((2, 3, 4))
    rows = [[rng.randint(1, 9) for _ in range(size)] for _ in range(size)]

    def spell(rows: Sequence[Sequence[int]]) -> Keyed:
        return "\n".join(" ".join(map(str, row)) for row in rows), tuple(map(tuple, rows))

    text, key = spell(rows)
    other = [[cell % 9 + 1 if (r, c) == (0, 1) else cell for c, cell in enumerate(row)] for r, row in enumerate(rows)]
    wrong: list[Keyed] = [spell(other), spell(rows[::-1]), spell([row[::-1] for row in rows]), spell(list(zip(*rows, strict=True))), spell(rows[:-1]), spell([*rows, rows[0]]), (str(rows[-1][-1]), None), (" ".join(map(str, rows[-1])), None), ("".join(str(cell) for row in rows for cell in row), None)]
    return Case(text, key, (text, text.replace(" ", "  "), text + "\n"), tuple(wrong))


def letter_orders(rng: Rng) -> Case:
    letters = shuffled(rng, "ABCDEFGH"[: rng.randint(3, 6)])

    def spell(letters: Sequence[str]) -> Keyed:
        return "".join(letters), tuple(letters)

    text, key = spell(letters)
    swapped = [letters[1], letters[0], *letters[2:]]
    wrong = [spell(letters[::-1]), spell(swapped), spell(sorted(letters)), spell(shuffled(rng, letters)), spell(letters[:-1]), spell([*letters, letters[0]]), (" ".join(letters[::-1]), tuple(letters[::-1])), (", ".join(swapped), tuple(swapped)), ("*".join(swapped), tuple(swapped)), (f"2{text}", None), (f"-{text}", None), (letters[0], None), (f"{text}^2", None), (" > ".join(swapped), None)]
    return Case(text, key, (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}"), tuple(wrong))


def truth_patterns(rng: Rng) -> Case:
    signs = [rng.choice("TF") for _ in range(rng.randint(3, 6))]
    if len(set(signs)) == 1:
        return truth_patterns(rng)
    text = "".join(signs)

    def spell(signs: Sequence[str]) -> Keyed:
        return "".join(signs), tuple(signs)

    flipped = ["F" if sign == "T" else "T" for sign in signs]
    wrong = [spell(signs[::-1]), spell(flipped), spell(sorted(signs)), spell(sorted(signs)[::-1]), spell(shuffled(rng, signs)), spell(signs[:-1]), spell([*signs, "T"]), spell([flipped[0], *signs[1:]]), (", ".join(flipped), None), (signs[0], None), ("True", None), (f"-{text}", None), (f"2{text}", None)]
    return Case(text, tuple(signs), (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}"), tuple(wrong))


def figures(rng: Rng) -> Case:
    """Angles and triangles by their letters; the ends of an angle may change places."""
    (mark, sign), letters = rng.choice(((r"\angle", "∠"), (r"\triangle", "△"))), rng.sample("ABCDEPQRSTXYZ", 3)
    a, b, c = letters

    def spell(*letters: str) -> Keyed:
        return f"{mark} {''.join(letters)}", letters

    text, key = spell(a, b, c)
    wrong: list[Keyed] = [spell(b, a, c), spell(a, c, b), spell(c, a, b), spell(b, c, a), spell(a, b), spell(a, b, b), spell(a, b, "W"), (f"{a}{c}{b}", None), (f"{mark} {a}", None), (f"{a}+{b}+{c}", None)]
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
    wrong: list[Keyed] = [(text[::-1], None if text != text[::-1] else n), (to_roman(n + 1), n + 1), (to_roman(n - 1), n - 1), (to_roman(n + 10), n + 10), (text + "I", None), (text[1:], None), (text[:-1], None), (str(n + 1), None), (f"-{text}", None), (f"2{text}", None), ("*".join(text[::-1]), None if text != text[::-1] else n), (" ".join(text[::-1]), None if text != text[::-1] else n), ("".join(sorted(text)), None if list(text) != sorted(text) else n)]
    return Case(text, n, (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}", rf"\textbf{{{text}}}"), tuple(wrong))


def squares(rng: Rng) -> Case:
    """Fields of a board, points and cells named by a letter and a number."""
    letter, n = rng.choice("BCDEFGH"), rng.randint(2, 9)
    text = f"{letter}{n}"
    wrong: list[Keyed] = [(f"{n}{letter}", None), (f"{letter}{n + 1}", None), (f"{chr(ord(letter) + 1)}{n}", None), (letter, None), (str(n), None), (f"{letter}^{n}", None), (f"{letter}*{n}", None), (f"{n}*{letter}", None), (f"-{text}", None), (f"{letter}{n}{n}", None), (f"A{n}", None), (f"{n} {letter}", None), (f"{letter}, {n}", None)]
    return Case(text, text, (text, rf"\text{{{text}}}", rf"\mathrm{{{text}}}"), tuple(wrong))


def names(rng: Rng) -> Case:
    word = rng.choice(WORDS)
    gold = rng.choice((word, rf"\text{{{word}}}"))
    others = [other for other in WORDS if other != word]
    first = rng.choice(others)
    wrong: list[Keyed] = [(other, other) for other in rng.sample(others, 5)] + [(word[::-1], None), (word[:-1], None), (word + "s", None), (f"non{word}", None), (f"{word} {first}", None), (f"{first} {word}", None), ("".join(shuffled(rng, word)) + "x", None), (f"{word} and {first}", None), (word[0], None), (f"in{word}", None), (f"opposite of {word}", None), ("5", None)]
    return Case(gold, word, (word, rf"\text{{{word}}}", word.lower(), word.upper(), rf"\textbf{{{word}}}", f"{word}.", rf"\mathrm{{{word}}}"), tuple(wrong))


def signed_words(rng: Rng) -> Case:
    word = rng.choice(SIGNED_WORDS)
    wrong: list[Keyed] = [(other, other) for other in SIGNED_WORDS if other != word and other.replace("+1", "1") != word]
    return Case(rf"\text{{{word}}}", word, (rf"\text{{{word}}}", rf"\boxed{{\text{{{word}}}}}"), tuple(wrong), prose=False)


def choices(rng: Rng) -> Case:
    letter = rng.choice("ABCDE")
    gold = rng.choice((letter, rf"\text{{({letter})}}", rf"\text{{{letter}}}", f"({letter})"))
    others = [other for other in "ABCDE" if other != letter]
    other = rng.choice(others)
    wrong: list[Keyed] = [(one, one) for one in others] + [(f"({other})", None), (f"({other}) {letter}", None), (f"{letter}{other}", None), (f"{letter} or {other}", None), (f"{other}. {letter}", None), (f"{letter}, {other}", None), (f"not {letter}", None), (f"{letter}+1", None), (f"2{letter}", None), (f"Option {other}", None), (f"{other} rather than {letter}", None), (f"all but {letter}", None), (rf"\textbf{{({other})}}", None)]
    wrong += [(f"{letter} is wrong", None), (f"It isn't {letter}", None), (f"anything but {letter}", None), (f"neither {letter} nor {other}", None), (f"either {letter} or {other}", None)]
    return Case(gold, letter, (letter, f"({letter})", rf"\text{{{letter}}}", rf"\textbf{{({letter})}}", rf"\text{{({letter})}}", f"{letter}.", rf"\mathrm{{({letter})}}", f"({letter}) 17"), tuple(wrong), prose=False)


def nothing_or_everything(rng: Rng) -> Case:
    which = rng.choice((NOTHING, EVERYTHING))
    other = EVERYTHING if which is NOTHING else NOTHING
    gold = rng.choice(which)
    wrong = [(text, None) for text in (*other, *OTHERS)]
    right = [text for text in which if ("solution" in text) == ("solution" in gold) and ("real" in text) == ("real" in gold)]
    return Case(gold, which, (gold, *right), tuple(wrong), prose=False)


def one_of_several(rng: Rng) -> Case:
    """A number among other numbers of a sentence."""
    n = rng.randint(2, 99)
    m, k = (value for value in rng.sample(range(100, 999), 2))
    wrong: list[Keyed] = [(f"{m} - {m - other} = {other}", key_of(other)) for other in digits_changed(rng, n) if other > 0]
    wrong += [(f"{n} of {m}", None), (f"{n} out of {m}", None), (f"between {n} and {m}", None), (f"{n} to {m}", None), (f"{m} less {n}", None), (f"{n} and {m} and {k}", None), (f"from {n} to {m}", None), (f"{n} per {m}", None), (f"{n}-{m}", None), (f"{n} plus {m}", None), (f"{n} divided by {k}", None), (f"{n} over {m}", None), (f"{n} point 5", None), (f"{n} minus 1", None), (f"{n} choose 2", None) if n != 3 else ("4", None), (f"{n} and a half", None), (f"{n} percent of {m}", None), (f"{n} mod {k}", None) if n > 999 else ("0", None)]
    return Case(str(n), key_of(n), (str(n), f"{m} - {m - n} = {n}", rf"{m} - {m - n} = \boxed{{{n}}}"), tuple(wrong))
