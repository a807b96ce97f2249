"""Forms that are read symbol by symbol: numbers in other bases, remainders, dimensions, sequences, grids."""

from __future__ import annotations

from collections.abc import Sequence

from tests.verifiers.answers.case import Case, Keyed, Rng, shuffled, speak


def _prefixed(rng: Rng, prefix: str, base: int, form: str) -> Case:
    n = rng.randint(base + 1, 50000 if base == 16 else 300)

    def spell(n: int) -> Keyed:
        return f"{prefix}{n:{form}}", n

    text, key = spell(n)
    digits = text[2:]
    changed = [f"{digits[::-1]}", f"{digits}0", digits[1:], digits[:-1], "0", digits[0] * len(digits), "1" + digits]
    wrong: list[Keyed] = [
        spell(n + 1),
        spell(n - 1),
        spell(2 * n),
        (str(n + 1), n + 1),
        *((prefix + one, int(one, base)) for one in changed if one),
    ]
    for other, worth in (("0x", 16), ("0b", 2), ("0o", 8)):
        if all(int(digit, 16) < worth for digit in digits) and other != prefix:
            wrong.append((other + digits, int(digits, worth)))
    if digits.isdigit():
        wrong += [(digits, int(digits)), (digits[::-1], int(digits[::-1]))]
    wrong += [(f"-{text}", None), (f"{text}+1", None), (f"0{digits}", int(f"0{digits}") if digits.isdigit() else None), (prefix, None)]
    return Case(
        text,
        key,
        (text, text[:2] + text[2:].upper(), text[:2] + text[2:].lower(), f"0x{digits}" if base == 16 else text),
        tuple(pair for pair in wrong if pair[0] not in (text, "")),
    )


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
    wrong: list[Keyed] = [
        spell(n + 1, base),
        spell(n - 1, base),
        spell(n * base, base),
        (f"{digits}_{base + 1}", int(digits, base + 1)),
        (f"{digits[::-1]}_{base}", int(digits[::-1], base)),
        (f"{base}_{{{digits}}}", None),
        (f"{digits}^{base}", None),
        (f"{digits}{base}", None),
        (f"-{text}", None),
        (f"{digits[::-1]}", None if digits != digits[::-1] else key),
        (in_base(n + 1, base), None),
    ]
    wrong += [(f"{digits}_x", None), (" ".join(digits) + f" {base}", None), (f"{digits}/{base}", None), (f"{digits}_{{10}}", int(digits))]
    return Case(text, key, (text, f"{digits}_{{{base}}}", rf"{digits}_{{\text{{{speak(base)}}}}}", f"({digits})_{base}"), tuple(wrong))


def remainders(rng: Rng) -> Case:
    q, r = rng.randint(3, 99), rng.randint(1, 20)

    def spell(q: int, r: int) -> Keyed:
        return f"{q} R {r}", (q, r)

    text, key = spell(q, r)
    wrong: list[Keyed] = [
        spell(r, q),
        spell(q + 1, r),
        spell(q, r + 1),
        spell(q, r * 10),
        (str(q), None),
        (str(q * r), None),
        (f"{q}R", None),
        (f"R {r}", None),
        (f"{r} remainder {q}", (r, q)),
        (f"{q}.{r}", None),
        (f"{q}/{r}", None),
        (f"{q}{r}", None),
        (f"{q} R -{r}", None),
        (f"-{text}", None),
        (f"{q}, {r + 1}", None),
        (f"{q} {r}", None),
    ]
    return Case(
        text,
        key,
        (text, f"{q}R{r}", f"{q} r {r}", f"{q} remainder {r}", rf"{q}\text{{ R }}{r}", rf"{q} \text{{ remainder }} {r}"),
        tuple(wrong),
    )


def dimensions(rng: Rng) -> Case:
    sides = rng.sample(range(2, 40), rng.choice((2, 2, 3)))

    def spell(sides: Sequence[int]) -> Keyed:
        return " x ".join(map(str, sides)), tuple(sides)

    text, key = spell(sides)
    product = 1
    for side in sides:
        product *= side
    wrong: list[Keyed] = [
        spell(sides[::-1]),
        spell(shuffled(rng, sides)),
        spell([sides[0] + 1, *sides[1:]]),
        spell([*sides, 1]),
        spell(sides[:-1]) if len(sides) > 2 else spell([*sides, 2]),
        (str(product), None),
        (f"{product}x", None),
        (f"{sides[0]}x", None),
        ("+".join(map(str, sides)), None),
        ("/".join(map(str, sides)), None),
        (f"-{text}", None),
        ("".join(map(str, sides)), None),
        (rf"{sides[1]} \times {sides[0]}", None),
        (f"{sides[0]}x^{sides[1]}", None),
    ]
    return Case(
        text,
        key,
        (text, text.replace(" ", ""), text.replace(" x ", r" \times "), text.replace(" x ", " by "), text.replace("x", "×")),
        tuple(wrong),
    )


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
    wrong: list[Keyed] = [
        spell(items[::-1]),
        spell(swapped),
        spell(shuffled(rng, items)),
        spell(sorted(items)),
        spell(items[:-1]),
        spell([*items, items[-1]]),
        spell([items[0] + 1, *items[1:]]),
        (str(product), None),
        (str(sum(items)), None),
        ("".join(map(str, items)), None),
        ("+".join(map(str, items)), None),
        ("*".join(map(str, items)), None),
        (", ".join(map(str, swapped)), tuple(swapped)),
        (str(items[-1]), None),
    ]
    return Case(text, key, (text, text.replace(" ", "  "), text.replace(" ", ", "), text.replace(" ", r"\ ")), tuple(wrong))


def grids(rng: Rng) -> Case:
    size = rng.choice((2, 3, 4))
    rows = [[rng.randint(1, 9) for _ in range(size)] for _ in range(size)]

    def spell(rows: Sequence[Sequence[int]]) -> Keyed:
        return "\n".join(" ".join(map(str, row)) for row in rows), tuple(map(tuple, rows))

    text, key = spell(rows)
    other = [[cell % 9 + 1 if (r, c) == (0, 1) else cell for c, cell in enumerate(row)] for r, row in enumerate(rows)]
    wrong: list[Keyed] = [
        spell(other),
        spell(rows[::-1]),
        spell([row[::-1] for row in rows]),
        spell(list(zip(*rows, strict=True))),
        spell(rows[:-1]),
        spell([*rows, rows[0]]),
        (str(rows[-1][-1]), None),
        (" ".join(map(str, rows[-1])), None),
        ("".join(str(cell) for row in rows for cell in row), None),
    ]
    return Case(text, key, (text, text.replace(" ", "  "), text + "\n"), tuple(wrong))
