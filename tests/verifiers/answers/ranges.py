"""Sets of numbers between bounds."""

from __future__ import annotations

from tests.verifiers.answers.case import Case, Keyed, Rng

INFINITY = r"\infty"


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
        made += [
            (swap[opening], low, high, closing),
            (opening, low + 1 if high is None or low + 1 < high else low - 1, high, closing),
            (opening, low * 10 - 100, high, closing),
        ]
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
    wrong += [
        (f"{opening}{high}, {low}{closing}".replace("None", INFINITY), None),
        (r"\mathbb{R}", None),
        (rf"\{{{low}, {high}\}}".replace("None", "0"), None),
        (rf"\mathbb{{R}} \setminus {text}", None),
        (text[1:-1], None),
        (rf"x \notin {text}", None),
        (str(low or high), None),
        (f"-{text}", bound if low is not None and high == -low else None),
    ]
    right = (
        text,
        inequality(bound),
        rf"x \in {text}",
        text.replace(", ", ","),
        rf"\left{opening}{text[1:-1]}\right{closing}",
        rf"\{{x \mid {inequality(bound)}\}}",
        text.replace(", " + INFINITY, r", +\infty"),
    )
    return Case(text, bound, right, tuple(wrong), prose=False)


def inequalities(rng: Rng) -> Case:
    bound = a_bound(rng)
    text = inequality(bound)
    wrong: list[Keyed] = [(shape(other), other) for other in other_bounds(bound) for shape in (inequality, interval_text)]
    wrong += [
        (inequality(bound, "y"), None),
        (text.replace("<", "=").replace(r"\le", "=").replace("≤", "="), None),
        (f"x = {bound[1] or bound[2]}", None),
        (text.translate({ord("<"): ">", ord("≤"): "≥"}).replace(r"\le", r"\ge"), None),
        (str(bound[1] or bound[2]), None),
    ]
    turned = " ".join({"<": ">", r"\le": r"\ge", "≤": r"\geq"}.get(part, part) for part in text.split()[::-1])
    right = (
        text,
        turned,
        interval_text(bound),
        rf"x \in {interval_text(bound)}",
        text.replace("≤", r"\leqslant"),
        text.replace("<", r"\lt"),
    )
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
    mutants = [
        (low, high, swap[left], right_side),
        (low, high, left, swap[right_side]),
        (low - 1, high, left, right_side),
        (low, high + 1, left, right_side),
        (-high, -low, left, right_side),
        (low - 5, high + 5, left, right_side),
    ]
    wrong: list[Keyed] = [shape(*m) for m in mutants for shape in (spell, words)]
    parts = text.split(r" \cup ")
    wrong += [
        (parts[0], None),
        (parts[1], None),
        (f"({low}, {high})", None),
        (r"(-\infty, \infty)", None),
        (words(*bounds, joint=r" \text{ and } ")[0], None),
        (text.replace(r"\cup", r"\cap"), None),
        (f"{low} < x < {high}", None),
        (rf"\{{{low}, {high}\}}", None),
    ]
    right = (
        text,
        words(*bounds)[0],
        r" \cup ".join(parts[::-1]),
        rf"x \in {text}",
        text.replace(", ", ","),
        words(*bounds, joint=" or ")[0],
        text.replace(r", \infty", r", +\infty"),
    )
    return Case(text, key, right, tuple(wrong), prose=False)
