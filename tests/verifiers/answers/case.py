"""Shared by all forms of answers: a gold with right and wrong answers, wrappers, words that reverse an answer, numbers in words.

The *key* of an answer decides if it is wrong, never the verifier. It is the value that the form itself computes (fractions, 40 digits, sets
of values): an answer with the gold's key is dropped, and a key of ``None`` marks an answer that is always wrong.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath

Rng = random.Random
Keyed = tuple[str, Hashable]
mpmath.mp.dps = 40


@dataclass(frozen=True)
class Case:
    gold: str
    key: Hashable
    right: tuple[str, ...]
    wrong: tuple[Keyed, ...]
    prose: bool = True
    """Words around the gold ("twice 5", "more than 5") make it wrong, except for a set of numbers such as an interval."""
    also: frozenset[Hashable] = frozenset()
    """Other keys that are right."""


Form = Callable[[Rng], Case]
DENIALS = (
    "not {}", "{} is wrong", "It isn't {}", r"{}\text{{ is wrong}}", r"\text{{not }}{}", "anything but {}",
    "The answer is not {}", "neither {}",
    "{} is incorrect", "{} cannot be right", "I doubt that it is {}", "never {}", "everything except {}",
)  # fmt: skip
CHANGES = (
    "twice {}", "double {}", "half of {}", "the square of {}", "the square root of {}", "the reciprocal of {}",
    "one less than {}", "minus the square of {}",
    "more than {}", "at most {}", "about {}", r"{}\text{{ times 2}}", r"{}\text{{ plus 6}}", r"\text{{twice }}{}",
    "ten times {}", "a third of {}",
    "less than {}", "{} squared", "{} or more", "up to {}", "less {}", "maybe {}", "the {}th prime", "{}th root",
    "{} short of 100", "{} below zero", "{} to the power of 2",
)  # fmt: skip
OFFERS = (
    "{} or {}",
    "{1} or {0}",
    r"\boxed{{{}}} or \boxed{{{}}}",
    "<answer>{}</answer><answer>{}</answer>",
    "either {} or {}",
    r"{}\text{{ or }}{}",
)
DRESSES = (
    "{}", "{}", "{}", "{}", r"\boxed{{{}}}", r"\boxed{{{}}}", "<answer>{}</answer>", "<think>So.</think> <answer>{}</answer>",
    "The answer is {}.", "${}$",
    "Answer: {}", r"\text{{{}}}", r"\textbf{{{}}}", r"\mathrm{{{}}}", r"\mbox{{{}}}", r"\boxed{{\text{{{}}}}}", r"\boxed{{\textbf{{{}}}}}",
)  # fmt: skip
HONEST = (
    "{}", " {} ", r"\boxed{{{}}}", "<answer>{}</answer>", "The answer is {}.", "${}$", "Answer: {}", "**Answer:** {}",
    "So we get $${}$$", "$\\boxed{{{}}}$.",
    "<think>Let me see.</think> \\boxed{{{}}}", "Final answer: ${}$", "答案是${}$。", "\\[\\boxed{{{}}}\\]", "#### {}",
)  # fmt: skip
SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth", 10: "tenth"}


def speak(value: int | Fraction) -> str | None:
    """A whole number below a million, or a fraction with a small denominator, in English words."""
    if value < 0:
        words = speak(-value)
        return words and f"minus {words}"
    if Fraction(value).denominator == 1:
        return _whole(int(value)) if value < 10**6 else None
    value = Fraction(value)
    if value.denominator not in PARTS or value.numerator >= 100:
        return None
    part = PARTS[value.denominator]
    return f"{_whole(value.numerator)} {part if value.numerator == 1 else 'halves' if part == 'half' else part + 's'}"


def _whole(n: int) -> str:
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10] + (f"-{SMALL[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{SMALL[n // 100]} hundred" + (f" and {_whole(n % 100)}" if n % 100 else "")
    return f"{_whole(n // 1000)} thousand" + (f" {_whole(n % 1000)}" if n % 1000 else "")


def key_of(value: Any) -> Hashable:
    """A number to 30 digits."""
    number = mpmath.mpc(mpmath.mpf(value.numerator) / value.denominator) if isinstance(value, int | Fraction) else mpmath.mpc(value)
    return tuple(mpmath.nstr(part, 30) if abs(part) > mpmath.mpf(10) ** -33 * abs(number) else "0" for part in (number.real, number.imag))


def bare(text: str) -> list[Keyed]:
    """Only the letters and digits of ``text``, spaced and joined, without signs, fraction bars and roots."""
    parts = re.findall(r"[A-Za-z]+|[0-9]+", re.sub(r"\\[A-Za-z]+", " ", text))
    found = []
    for joint in (" ", "", ", "):
        stripped = joint.join(parts)
        if stripped and re.sub(r"\s", "", stripped) != re.sub(r"[\s{}]", "", text):
            found.append((stripped, key_of(int(stripped)) if stripped.isdigit() else None))
    return found


def digits_changed(rng: Rng, n: int) -> list[int]:
    """Sign flipped, off by one, digits swapped, dropped, added, doubled; also ten times and a tenth."""
    sign, digits = (-1 if n < 0 else 1), str(abs(n))
    place = rng.randrange(len(digits))
    made = [
        digits[:place] + digits[place + 1 :],
        digits + rng.choice("0123456789"),
        rng.choice("123456789") + digits,
        digits[::-1],
        digits + "0",
    ]
    made += [digits[:place] + rng.choice("0123456789") + digits[place + 1 :], digits[:place] + digits[place] * 2 + digits[place + 1 :]]
    return [-n, n + 1, n - 1, *(sign * int(one) for one in made if one), *(-sign * int(one) for one in made[:2] if one)]


def fraction_text(value: Fraction, rng: Rng) -> str:
    sign, top, bottom = ("-" if value < 0 else ""), abs(value.numerator), value.denominator
    if bottom == 1:
        return f"{sign}{top}"
    return rng.choice((rf"{sign}\frac{{{top}}}{{{bottom}}}", f"{sign}{top}/{bottom}", rf"{sign}\dfrac{{{top}}}{{{bottom}}}"))


def shuffled(rng: Rng, items: Iterable[Any]) -> list[Any]:
    made = list(items)
    rng.shuffle(made)
    return made


def nonzero(rng: Rng, size: int, least: int = 2) -> int:
    """A whole number from ``least`` to ``size``, of either sign."""
    return rng.choice((-1, 1)) * rng.randint(least, size)
