"""Several values: in order, without order, in rows."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tests.verifiers.answers.case import Case, Keyed, Rng, digits_changed, fraction_text, nonzero, shuffled


def distinct(rng: Rng, count: int) -> list[Fraction]:
    """Numbers, some of them fractions, at least one negative."""
    while True:
        found = [Fraction(nonzero(rng, 40, 1), rng.choice((1, 1, 1, 2, 3, 5))) for _ in range(count)]
        if len(set(found)) == count and min(found) < 0:
            return found


def changed(rng: Rng, items: Sequence[Fraction]) -> list[list[Fraction]]:
    """One item changed."""
    place = rng.randrange(len(items))
    others = [-items[place], items[place] + 1, items[place] * 10, *map(Fraction, digits_changed(rng, items[place].numerator))]
    if items[place].numerator not in (0, 1):
        others.append(1 / items[place])
    return [[other if n == place else item for n, item in enumerate(items)] for other in others]


def written(rng: Rng, items: Sequence[Fraction], joint: str = ", ") -> str:
    return joint.join(fraction_text(item, rng) for item in items)


def digits_only(items: Sequence[Fraction], joint: str) -> str:
    """The items without their signs."""
    return joint.join(str(abs(item)) for item in items)


def tuples(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 4))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return f"({written(rng, items)})", tuple(items)

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(shuffled(rng, items)), spell([*items, items[-1]]), spell(items[::-1])]
    inner = written(rng, items)
    wrong += [
        (f"[{inner}]", None),
        (rf"\{{{inner}\}}", None),
        (f"({digits_only(items, ', ')})", None),
        (digits_only(items, " "), None),
        (f"({inner}, 0)", None),
        (written(rng, items[:-1]), None),
        (f"({inner}]", None),
    ]
    wrong += [
        (digits_only(items, ""), None),
        (written(rng, items, "+"), None),
        (f"({inner}), ({inner[::-1]})", None),
        (rf"\text{{{digits_only(items, ' ')}}}", None),
        (f"-({inner})", None),
        (f"2({inner})", None),
    ]
    right = (text, rf"\left({inner}\right)", inner, f"( {written(rng, items, ' , ')} )", f"(x,y)=({inner})" if len(items) == 2 else text)
    return Case(text, key, right, tuple(wrong))


def vectors(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 3))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return rf"\langle {written(rng, items)} \rangle", tuple(items)

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(shuffled(rng, items)), spell(items[::-1]), spell(items[:-1])]
    wrong += [
        (rf"\{{{written(rng, items)}\}}", None),
        (digits_only(items, " "), None),
        (f"({digits_only(items, ', ')})", None),
        (rf"\text{{{digits_only(items, ', ')}}}", None),
    ]
    right = (
        text,
        f"({written(rng, items)})",
        rf"\left\langle {written(rng, items)} \right\rangle",
        rf"\langle{written(rng, items, ',')}\rangle",
    )
    return Case(text, key, right, tuple(wrong))


def lists(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 4))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return written(rng, items), tuple(sorted(items))

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(items[:-1]), spell([*items, items[0]]), spell([*items, items[0] + 1])]
    wrong += [
        (digits_only(items, ", "), None),
        (digits_only(items, ""), None),
        (digits_only(items, " "), None),
        (written(rng, items, "+"), None),
        (f"{text}, ...", None),
        (rf"\text{{{digits_only(items, ' ')}}}", None),
        (written(rng, items, r" \cdot "), None),
    ]
    right = (
        text,
        written(rng, shuffled(rng, items)),
        " and ".join(map(str, shuffled(rng, items))) if len(items) == 2 else text,
        rf"\{{{written(rng, items)}\}}",
        "x=" + written(rng, items, r" \text{ or } x="),
        written(rng, items, ",\\ "),
    )
    boxes = " and ".join(rf"$\boxed{{{item}}}$" for item in items)
    return Case(text, key, (*right, boxes), tuple(wrong))


def sets(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 5))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return rf"\{{{written(rng, items)}\}}", frozenset(items)

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(items[1:]), spell([*items, items[0] + 1])]
    wrong += [
        (f"({written(rng, items)})", None),
        (rf"\{{{digits_only(items, ', ')}\}}", None),
        (digits_only(items, " "), None),
        (f"[{written(rng, items)}]", None),
        (rf"\text{{{digits_only(items, ', ')}}}", None),
        (rf"\{{{written(rng, items, '+')}\}}", None),
    ]
    right = (
        text,
        rf"\{{{written(rng, shuffled(rng, items))}\}}",
        written(rng, items),
        rf"\left\{{ {written(rng, items)} \right\}}",
        rf"\lbrace {written(rng, items)} \rbrace",
    )
    return Case(text, key, right, tuple(wrong))


def plus_or_minus(rng: Rng) -> Case:
    a, b = nonzero(rng, 20, 1), rng.randint(2, 30)

    def spell(a: int, b: int) -> Keyed:
        return rf"{a} \pm \sqrt{{{b}}}", (a, b)

    text, key = spell(a, b)
    wrong = [
        spell(-a, b),
        spell(a, b + 1),
        spell(a + 1, b),
        spell(b, abs(a) + 50),
        (rf"{a}+\sqrt{{{b}}}", None),
        (rf"{a}-\sqrt{{{b}}}", None),
        (rf"\pm\sqrt{{{b}}}", None),
        (rf"{a}\pm {b + 100}", None),
        (rf"{a}+\sqrt{{{b}}}, {-a}-\sqrt{{{b}}}", None),
        (rf"\pm({a}+\sqrt{{{b}}})", None),
        (str(a), None),
    ]
    right = (
        text,
        rf"{a}+\sqrt{{{b}}}, {a}-\sqrt{{{b}}}",
        rf"{a}-\sqrt{{{b}}} \text{{ and }} {a}+\sqrt{{{b}}}",
        rf"x={a}\pm\sqrt{{{b}}}",
        rf"\{{{a}-\sqrt{{{b}}},{a}+\sqrt{{{b}}}\}}",
        rf"{a}±√{{{b}}}",
    )
    return Case(text, key, right, tuple(wrong))


def matrices(rng: Rng) -> Case:
    rows, columns = rng.choice(((2, 2), (2, 2), (2, 1), (3, 1), (2, 3), (3, 3)))
    cells = [[rng.randint(-12, 12) for _ in range(columns)] for _ in range(rows)]

    def spell(cells: Sequence[Sequence[int]], name: str = "pmatrix") -> Keyed:
        return rf"\begin{{{name}}} " + r" \\ ".join(" & ".join(map(str, row)) for row in cells) + rf" \end{{{name}}}", tuple(
            map(tuple, cells)
        )

    text, key = spell(cells)
    place = rng.randrange(rows), rng.randrange(columns)
    other = [[cell + 1 if (r, c) == place else cell for c, cell in enumerate(row)] for r, row in enumerate(cells)]
    flat = [cell for row in cells for cell in row]
    wrong = [
        spell(other),
        spell(cells[::-1]),
        spell([row[::-1] for row in cells]),
        spell([*zip(*cells, strict=True)]),
        spell([[-cell for cell in row] for row in cells]),
        spell([[abs(cell) for cell in row] for row in cells]),
        spell(cells[:-1]),
    ]
    wrong += [
        spell([flat]) if rows > 1 else spell([[*flat, 0]]),
        spell([[cell * 10 for cell in row] for row in cells]),
        (rf"2{text}", key if not any(flat) else None),
        (rf"\{{{', '.join(map(str, flat))}\}}", None),
    ]
    array = rf"\left(\begin{{array}}{{{'c' * columns}}}" + r" \\ ".join(" & ".join(map(str, row)) for row in cells) + r"\end{array}\right)"
    right = (
        text,
        spell(cells, "bmatrix")[0],
        array,
        text.replace(" & ", "&"),
        text.replace(r" \end", r" \\ \end"),
        array.replace("(", "[").replace(")", "]"),
    )
    return Case(text, key, right, tuple(wrong))
