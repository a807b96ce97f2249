"""Forms of several values: in order, without order, with labels, as ranges."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tests.verifiers.answers.case import Case, Keyed, Rng, digits_changed, fraction_text, nonzero, shuffled

NAMES = ("Alice", "Bob", "Carla", "David", "Evelyn", "Frank", "Grace", "Hugo")
COLOURS = ("red", "blue", "green", "white", "black", "yellow")
INFINITY = r"\infty"


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
    wrong = [*map(spell, changed(rng, items)), spell(shuffled(rng, items)), spell(items[:-1] + [items[-1], items[-1]]), spell(items[::-1])]
    inner = written(rng, items)
    wrong += [(f"[{inner}]", None), (rf"\{{{inner}\}}", None), (f"({digits_only(items, ', ')})", None), (digits_only(items, " "), None), (f"({inner}, 0)", None), (written(rng, items[:-1]), None), (f"({inner}]", None)]
    wrong += [(digits_only(items, ""), None), (written(rng, items, "+"), None), (f"({inner}), ({inner[::-1]})", None), (rf"\text{{{digits_only(items, ' ')}}}", None), (f"-({inner})", None), (f"2({inner})", None)]
    right = (text, rf"\left({inner}\right)", inner, f"( {written(rng, items, ' , ')} )", f"(x,y)=({inner})" if len(items) == 2 else text)
    return Case(text, key, right, tuple(wrong))


def vectors(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 3))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return rf"\langle {written(rng, items)} \rangle", tuple(items)

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(shuffled(rng, items)), spell(items[::-1]), spell(items[:-1])]
    wrong += [(rf"\{{{written(rng, items)}\}}", None), (digits_only(items, " "), None), (f"({digits_only(items, ', ')})", None), (rf"\text{{{digits_only(items, ', ')}}}", None)]
    right = (text, f"({written(rng, items)})", rf"\left\langle {written(rng, items)} \right\rangle", rf"\langle{written(rng, items, ',')}\rangle")
    return Case(text, key, right, tuple(wrong))


def lists(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 4))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return written(rng, items), tuple(sorted(items))

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(items[:-1]), spell([*items, items[0]]), spell([*items, items[0] + 1])]
    wrong += [(digits_only(items, ", "), None), (digits_only(items, ""), None), (digits_only(items, " "), None), (written(rng, items, "+"), None), (f"{text}, ...", None), (rf"\text{{{digits_only(items, ' ')}}}", None), (written(rng, items, r" \cdot "), None)]
    right = (text, written(rng, shuffled(rng, items)), " and ".join(map(str, shuffled(rng, items))) if len(items) == 2 else text, rf"\{{{written(rng, items)}\}}", "x=" + written(rng, items, r" \text{ or } x="), written(rng, items, ",\\ "))
    boxes = " and ".join(rf"$\boxed{{{item}}}$" for item in items)
    return Case(text, key, (*right, boxes), tuple(wrong))


def sets(rng: Rng) -> Case:
    items = distinct(rng, rng.randint(2, 5))

    def spell(items: Sequence[Fraction]) -> Keyed:
        return rf"\{{{written(rng, items)}\}}", frozenset(items)

    text, key = spell(items)
    wrong = [*map(spell, changed(rng, items)), spell(items[1:]), spell([*items, items[0] + 1])]
    wrong += [(f"({written(rng, items)})", None), (rf"\{{{digits_only(items, ', ')}\}}", None), (digits_only(items, " "), None), (f"[{written(rng, items)}]", None), (rf"\text{{{digits_only(items, ', ')}}}", None), (rf"\{{{written(rng, items, '+')}\}}", None)]
    right = (text, rf"\{{{written(rng, shuffled(rng, items))}\}}", written(rng, items), rf"\left\{{ {written(rng, items)} \right\}}", rf"\lbrace {written(rng, items)} \rbrace")
    return Case(text, key, right, tuple(wrong))


def plus_or_minus(rng: Rng) -> Case:
    a, b = nonzero(rng, 20, 1), rng.randint(2, 30)

    def spell(a: int, b: int) -> Keyed:
        return rf"{a} \pm \sqrt{{{b}}}", (a, b)

    text, key = spell(a, b)
    wrong = [spell(-a, b), spell(a, b + 1), spell(a + 1, b), spell(b, abs(a) + 50), (rf"{a}+\sqrt{{{b}}}", None), (rf"{a}-\sqrt{{{b}}}", None), (rf"\pm\sqrt{{{b}}}", None), (rf"{a}\pm {b + 100}", None), (rf"{a}+\sqrt{{{b}}}, {-a}-\sqrt{{{b}}}", None), (rf"\pm({a}+\sqrt{{{b}}})", None), (str(a), None)]
    right = (text, rf"{a}+\sqrt{{{b}}}, {a}-\sqrt{{{b}}}", rf"{a}-\sqrt{{{b}}} \text{{ and }} {a}+\sqrt{{{b}}}", rf"x={a}\pm\sqrt{{{b}}}", rf"\{{{a}-\sqrt{{{b}}},{a}+\sqrt{{{b}}}\}}", rf"{a}±√{{{b}}}")
    return Case(text, key, right, tuple(wrong))


def matrices(rng: Rng) -> Case:
    rows, columns = rng.choice(((2, 2), (2, 2), (2, 1), (3, 1), (2, 3), (3, 3)))
    cells = [[rng.randint(-12, 12) for _ in range(columns)] for _ in range(rows)]

    def spell(cells: Sequence[Sequence[int]], name: str = "pmatrix") -> Keyed:
        return rf"\begin{{{name}}} " + r" \\ ".join(" & ".join(map(str, row)) for row in cells) + rf" \end{{{name}}}", tuple(map(tuple, cells))

    text, key = spell(cells)
    place = rng.randrange(rows), rng.randrange(columns)
    other = [[cell + 1 if (r, c) == place else cell for c, cell in enumerate(row)] for r, row in enumerate(cells)]
    flat = [cell for row in cells for cell in row]
    wrong = [spell(other), spell(cells[::-1]), spell([row[::-1] for row in cells]), spell([*zip(*cells, strict=True)]), spell([[-cell for cell in row] for row in cells]), spell([[abs(cell) for cell in row] for row in cells]), spell(cells[:-1])]
    wrong += [spell([flat]) if rows > 1 else spell([flat + [0]]), spell([[cell * 10 for cell in row] for row in cells]), (rf"2{text}", key if not any(flat) else None), (rf"\{{{', '.join(map(str, flat))}\}}", None)]
    array = rf"\left(\begin{{array}}{{{'c' * columns}}}" + r" \\ ".join(" & ".join(map(str, row)) for row in cells) + r"\end{array}\right)"
    right = (text, spell(cells, "bmatrix")[0], array, text.replace(" & ", "&"), text.replace(r" \end", r" \\ \end"), array.replace("(", "[").replace(")", "]"))
    return Case(text, key, right, tuple(wrong))


Bound = tuple[str, int | None, int | None, str]


def interval_text(bound: Bound) -> str:
    opening, low, high, closing = bound
    return f"{opening}{'-' + INFINITY if low is None else low}, {INFINITY if high is None else high}{closing}"


def a_bound(rng: Rng) -> Bound:
    low, high = sorted(rng.sample(range(-30, 31), 2))
    match rng.randrange(5):
        case 0:
            return ("(", None, high, rng.choice(")]"))
        case 1:
            return (rng.choice("(["), low, None, ")")
        case 2:
            return ("[", low, high, ")")
        case 3:
            return ("(", low, high, "]")
        case _:
            return ("[", low, high, "]")


def other_bounds(bound: Bound) -> list[Bound]:
    opening, low, high, closing = bound
    swap = {"(": "[", "[": "(", ")": "]", "]": ")"}
    made: list[Bound] = [(opening, low, None, ")") if high is not None else (opening, low, (low or 0) + 7, "]")]
    if low is not None:
        made += [(swap[opening], low, high, closing), (opening, low + 1 if high is None or low + 1 < high else low - 1, high, closing), (opening, low * 10 - 100, high, closing)]
    if high is not None:
        made += [(opening, low, high, swap[closing]), (opening, low, high + 1, closing), ("(", None, high + 2, closing)]
    if low is not None and high is not None:
        made += [(opening, -high, -low, closing)]
    return made


def inequality(bound: Bound, letter: str = "x") -> str:
    opening, low, high, closing = bound
    left = "" if low is None else f"{low} {'<' if opening == '(' else '≤'} "
    right = "" if high is None else f" {'<' if closing == ')' else '≤'} {high}"
    return f"{left}{letter}{right}"


def intervals(rng: Rng) -> Case:
    bound = a_bound(rng)
    text = interval_text(bound)
    wrong: list[Keyed] = [(shape(other), other) for other in other_bounds(bound) for shape in (interval_text, inequality)]
    opening, low, high, closing = bound
    wrong += [(f"{opening}{high}, {low}{closing}".replace("None", INFINITY), None), (r"\mathbb{R}", None), (rf"\{{{low}, {high}\}}".replace("None", "0"), None), (rf"\mathbb{{R}} \setminus {text}", None), (str(low or high), None), (f"-{text}", bound if low is not None and high == -low else None)]
    right = (text, inequality(bound), rf"x \in {text}", text.replace(", ", ","), rf"\left{opening}{text[1:-1]}\right{closing}", rf"\{{x \mid {inequality(bound)}\}}", text.replace(", " + INFINITY, r", +\infty"))
    return Case(text, bound, right, tuple(wrong), prose=False)


def inequalities(rng: Rng) -> Case:
    bound = a_bound(rng)
    text = inequality(bound)
    wrong: list[Keyed] = [(shape(other), other) for other in other_bounds(bound) for shape in (inequality, interval_text)]
    wrong += [(inequality(bound, "y"), None), (text.replace("<", "=").replace(r"\le", "=").replace("≤", "="), None), (f"x = {bound[1] or bound[2]}", None), (text.translate({ord("<"): ">", ord("≤"): "≥"}).replace(r"\le", r"\ge"), None), (str(bound[1] or bound[2]), None)]
    turned = " ".join({"<": ">", r"\le": r"\ge", "≤": r"\geq"}.get(part, part) for part in text.split()[::-1])
    right = (text, turned, interval_text(bound), rf"x \in {interval_text(bound)}", text.replace("≤", r"\leqslant"), text.replace("<", r"\lt"))
    return Case(text, bound, right, tuple(wrong), prose=False)


def unions(rng: Rng) -> Case:
    low, high = sorted(rng.sample(range(-20, 21), 2))
    left, right_side = rng.choice(")]"), rng.choice("([")

    def spell(low: int, high: int, left: str, right: str) -> Keyed:
        return rf"(-\infty, {low}{left} \cup {right}{high}, \infty)", (low, high, left, right)

    def words(low: int, high: int, left: str, right: str, joint: str = r" \text{ or } ") -> Keyed:
        return f"x {'<' if left == ')' else '≤'} {low}{joint}x {'>' if right == '(' else '≥'} {high}", (low, high, left, right)

    bounds = (low, high, left, right_side)
    text, key = spell(*bounds)
    swap = {"(": "[", "[": "(", ")": "]", "]": ")"}
    mutants = [(low, high, swap[left], right_side), (low, high, left, swap[right_side]), (low - 1, high, left, right_side), (low, high + 1, left, right_side), (-high, -low, left, right_side), (low - 5, high + 5, left, right_side)]
    wrong: list[Keyed] = [shape(*m) for m in mutants for shape in (spell, words)]
    parts = text.split(r" \cup ")
    wrong += [(parts[0], None), (parts[1], None), (f"({low}, {high})", None), (r"(-\infty, \infty)", None), (words(*bounds, joint=r" \text{ and } ")[0], None), (text.replace(r"\cup", r"\cap"), None), (f"{low} < x < {high}", None), (rf"\{{{low}, {high}\}}", None)]
    right = (text, words(*bounds)[0], r" \cup ".join(parts[::-1]), rf"x \in {text}", text.replace(", ", ","), words(*bounds, joint=" or ")[0], text.replace(r", \infty", r", +\infty"))
    return Case(text, key, right, tuple(wrong), prose=False)


def labelled(rng: Rng) -> Case:
    count = rng.randint(2, 3)
    labels, numbers = rng.sample(NAMES, count), rng.sample(range(2, 60), count)

    def spell(labels: Sequence[str], numbers: Sequence[int]) -> Keyed:
        return ", ".join(rf"\text{{{label}: }} {n}" for label, n in zip(labels, numbers, strict=True)), frozenset(zip(labels, numbers, strict=True))

    text, key = spell(labels, numbers)
    others = [name for name in NAMES if name not in labels]
    wrong: list[Keyed] = [spell(labels, numbers[::-1]), spell(labels, numbers[1:] + numbers[:1]), spell(labels[::-1], numbers), spell([others[0], *labels[1:]], numbers), spell(labels, [numbers[0] + 1, *numbers[1:]]), spell(labels[:-1], numbers[:-1]), spell([*labels, others[1]], [*numbers, 5])]
    wrong += [(", ".join(map(str, numbers[::-1])), None), (", ".join(labels), None), (", ".join(f"{label} {n}" for label, n in zip(labels, numbers[1:] + numbers[:1], strict=True)), None), (str(numbers[0]), None), (f"{labels[0]}: {numbers[0]}", None)]
    turned = spell(labels[::-1], numbers[::-1])[0]
    plain = ", ".join(f"{label}: {n}" for label, n in zip(labels, numbers, strict=True))
    return Case(text, key, (text, turned, plain, plain.replace(": ", ":")), tuple(wrong))


def counted_things(rng: Rng) -> Case:
    """Numbers labelled by what stands behind them."""
    (a, b), (m, n) = rng.sample(COLOURS, 2), rng.sample(range(2, 40), 2)

    def spell(*pairs: tuple[int, str]) -> Keyed:
        return ", ".join(rf"{count} \text{{ {colour}}}" for count, colour in pairs), frozenset(pairs)

    text, key = spell((m, a), (n, b))
    other = next(colour for colour in COLOURS if colour not in (a, b))
    wrong = [spell((n, a), (m, b)), spell((m, b), (n, a)), spell((m + 1, a), (n, b)), spell((m, a), (n, other)), spell((m, a)), spell((-m, a), (n, b)), (f"{m} {b} and {n} {a}", None), (f"{n}, {m}", None), (f"{n} {a}, {m} {b}", None), (str(m), None), (f"{m + n}", None)]
    return Case(text, key, (text, spell((n, b), (m, a))[0], f"{m} {a}, {n} {b}", f"{m} {a} and {n} {b}"), tuple(wrong))


def assignments(rng: Rng) -> Case:
    letters, numbers = rng.choice((("x", "y"), ("a", "b"), ("p", "q"), ("x", "y", "z"))), []
    numbers = rng.sample([n for n in range(-30, 31) if n not in (0, 1)], len(letters))
    cases = rng.random() < 0.4

    def spell(letters: Sequence[str], numbers: Sequence[int], cases: bool = cases) -> Keyed:
        parts = [f"{letter}={n}" for letter, n in zip(letters, numbers, strict=True)]
        return (r"\begin{cases} " + r" \\ ".join(parts) + r" \end{cases}" if cases else ", ".join(parts)), frozenset(zip(letters, numbers, strict=True))

    text, key = spell(letters, numbers)
    wrong: list[Keyed] = [spell(letters, numbers[1:] + numbers[:1], shape) for shape in (True, False)]
    wrong += [spell(letters, numbers[::-1]), spell(letters, [-n for n in numbers]), spell(letters, [numbers[0] + 1, *numbers[1:]]), spell(["w", *letters[1:]], numbers), spell(letters[:-1], numbers[:-1], False)]
    turned = ", ".join(map(str, numbers[::-1]))
    wrong += [(turned, None if numbers != numbers[::-1] else key), (f"({turned})", None if numbers != numbers[::-1] else key), (", ".join(str(abs(n)) for n in numbers) if min(numbers) < 0 else "0", None), (str(numbers[0]), None)]
    right = (text, spell(letters[::-1], numbers[::-1])[0], spell(letters, numbers, not cases)[0], f"({', '.join(map(str, numbers))})", ", ".join(map(str, numbers)), f"({','.join(letters)})=({','.join(map(str, numbers))})")
    return Case(text, key, right, tuple(wrong))


def ratios(rng: Rng) -> Case:
    parts = rng.sample(range(1, 40), rng.choice((2, 2, 3)))

    def spell(parts: Sequence[int]) -> Keyed:
        return ":".join(map(str, parts)), tuple(Fraction(part, parts[0]) for part in parts)

    text, key = spell(parts)
    wrong: list[Keyed] = [spell(parts[::-1]), spell(shuffled(rng, parts)), spell([parts[0] + 1, *parts[1:]]), spell([*parts[:-1], parts[-1] + 1]), spell([*parts, 1]), spell([parts[0] * 10, *parts[1:]]), spell([1, *parts])]
    wrong += [("*".join(map(str, parts)), None if parts[-1] != 1 else key), (" ".join(map(str, parts)), None), (f"({', '.join(map(str, parts[::-1]))})", None), (rf"\frac{{{parts[-1]}}}{{{parts[0]}}}", None), (str(parts[0] if parts[-1] != 1 else 99), None), ("/".join(map(str, parts)) if len(parts) > 2 else "0", None)]
    right = (text, text.replace(":", " : "), text.replace(":", r"\!:\!"), spell([3 * part for part in parts])[0], *([rf"\frac{{{parts[0]}}}{{{parts[1]}}}"] if len(parts) == 2 else []))
    return Case(text, key, right, tuple(wrong))

