"""Several values with names, and ratios."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tests.verifiers.answers.case import Case, Keyed, Rng, shuffled

NAMES = ("Alice", "Bob", "Carla", "David", "Evelyn", "Frank", "Grace", "Hugo")


COLOURS = ("red", "blue", "green", "white", "black", "yellow")


def labelled(rng: Rng) -> Case:
    count = rng.randint(2, 3)
    labels, numbers = rng.sample(NAMES, count), rng.sample(range(2, 60), count)

    def spell(labels: Sequence[str], numbers: Sequence[int]) -> Keyed:
        return ", ".join(rf"\text{{{label}: }} {n}" for label, n in zip(labels, numbers, strict=True)), frozenset(
            zip(labels, numbers, strict=True)
        )

    text, key = spell(labels, numbers)
    others = [name for name in NAMES if name not in labels]
    wrong: list[Keyed] = [
        spell(labels, numbers[::-1]),
        spell(labels, numbers[1:] + numbers[:1]),
        spell(labels[::-1], numbers),
        spell([others[0], *labels[1:]], numbers),
        spell(labels, [numbers[0] + 1, *numbers[1:]]),
        spell(labels[:-1], numbers[:-1]),
        spell([*labels, others[1]], [*numbers, 5]),
    ]
    wrong += [
        (", ".join(map(str, numbers[::-1])), None),
        (", ".join(labels), None),
        (", ".join(f"{label} {n}" for label, n in zip(labels, numbers[1:] + numbers[:1], strict=True)), None),
        (str(numbers[0]), None),
        (f"{labels[0]}: {numbers[0]}", None),
    ]
    turned = spell(labels[::-1], numbers[::-1])[0]
    plain = ", ".join(f"{label}: {n}" for label, n in zip(labels, numbers, strict=True))
    return Case(text, key, (text, turned, plain, plain.replace(": ", ":")), tuple(wrong))


def counted_things(rng: Rng) -> Case:
    """Numbers labelled by the words after them."""
    (a, b), (m, n) = rng.sample(COLOURS, 2), rng.sample(range(2, 40), 2)

    def spell(*pairs: tuple[int, str]) -> Keyed:
        return ", ".join(rf"{count} \text{{ {colour}}}" for count, colour in pairs), frozenset(pairs)

    text, key = spell((m, a), (n, b))
    other = next(colour for colour in COLOURS if colour not in (a, b))
    wrong = [
        spell((n, a), (m, b)),
        spell((m, b), (n, a)),
        spell((m + 1, a), (n, b)),
        spell((m, a), (n, other)),
        spell((m, a)),
        spell((-m, a), (n, b)),
        (f"{m} {b} and {n} {a}", None),
        (f"{n}, {m}", None),
        (f"{n} {a}, {m} {b}", None),
        (str(m), None),
        (f"{m + n}", None),
    ]
    return Case(text, key, (text, spell((n, b), (m, a))[0], f"{m} {a}, {n} {b}", f"{m} {a} and {n} {b}"), tuple(wrong))


def assignments(rng: Rng) -> Case:
    letters, numbers = rng.choice((("x", "y"), ("a", "b"), ("p", "q"), ("x", "y", "z"))), []
    numbers = rng.sample([n for n in range(-30, 31) if n not in (0, 1)], len(letters))
    cases = rng.random() < 0.4

    def spell(letters: Sequence[str], numbers: Sequence[int], cases: bool = cases) -> Keyed:
        parts = [f"{letter}={n}" for letter, n in zip(letters, numbers, strict=True)]
        return (r"\begin{cases} " + r" \\ ".join(parts) + r" \end{cases}" if cases else ", ".join(parts)), frozenset(
            zip(letters, numbers, strict=True)
        )

    text, key = spell(letters, numbers)
    wrong: list[Keyed] = [spell(letters, numbers[1:] + numbers[:1], shape) for shape in (True, False)]
    wrong += [
        spell(letters, numbers[::-1]),
        spell(letters, [-n for n in numbers]),
        spell(letters, [numbers[0] + 1, *numbers[1:]]),
        spell(["w", *letters[1:]], numbers),
        spell(letters[:-1], numbers[:-1], False),
    ]
    turned = ", ".join(map(str, numbers[::-1]))
    wrong += [
        (turned, None if numbers != numbers[::-1] else key),
        (f"({turned})", None if numbers != numbers[::-1] else key),
        (", ".join(str(abs(n)) for n in numbers) if min(numbers) < 0 else "0", None),
        (str(numbers[0]), None),
    ]
    right = (
        text,
        spell(letters[::-1], numbers[::-1])[0],
        spell(letters, numbers, not cases)[0],
        f"({', '.join(map(str, numbers))})",
        ", ".join(map(str, numbers)),
        f"({','.join(letters)})=({','.join(map(str, numbers))})",
    )
    return Case(text, key, right, tuple(wrong))


def ratios(rng: Rng) -> Case:
    parts = rng.sample(range(1, 40), rng.choice((2, 2, 3)))

    def spell(parts: Sequence[int]) -> Keyed:
        return ":".join(map(str, parts)), tuple(Fraction(part, parts[0]) for part in parts)

    text, key = spell(parts)
    wrong: list[Keyed] = [
        spell(parts[::-1]),
        spell(shuffled(rng, parts)),
        spell([parts[0] + 1, *parts[1:]]),
        spell([*parts[:-1], parts[-1] + 1]),
        spell([*parts, 1]),
        spell([parts[0] * 10, *parts[1:]]),
        spell([1, *parts]),
    ]
    wrong += [
        ("*".join(map(str, parts)), None if parts[-1] != 1 else key),
        (" ".join(map(str, parts)), None),
        (f"({', '.join(map(str, parts[::-1]))})", None),
        (rf"\frac{{{parts[-1]}}}{{{parts[0]}}}", None),
        (str(parts[0] if parts[-1] != 1 else 99), None),
        ("/".join(map(str, parts)) if len(parts) > 2 else "0", None),
    ]
    clock = parts[0] < 24 and 9 < parts[1] < 60  # ten past five, or five to ten?
    right = (
        text,
        text.replace(":", " : "),
        text.replace(":", r"\!:\!"),
        spell([3 * part for part in parts])[0] if not clock else text,
        *([rf"\frac{{{parts[0]}}}{{{parts[1]}}}"] if len(parts) == 2 and not clock else []),
    )
    return Case(text, key, right, tuple(wrong))
