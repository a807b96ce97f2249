"""Answers made by rule, so that their truth is known: wrong ones by mutation of a gold, and honest rewrites, for each form of gold.

``wrong_answers("fractions", 1000)`` gives ``(gold, answer)`` of which none is right, ``right_answers`` those that all are. The forms stand in
`tests.verifiers.answers`; here their answers are dressed (boxes, tags, ``\\text{}``) and the gold is turned round by words.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

from tests.verifiers.answers import algebra, codes, numbers, several
from tests.verifiers.answers.case import CHANGES, DENIALS, DRESSES, HONEST, OFFERS, Case, Form, Rng

FORMS: dict[str, Form] = {
    form.__name__.replace("_", " "): form
    for form in (
        numbers.positive_integers, numbers.negative_integers, numbers.thousands, numbers.fractions, numbers.decimals, numbers.percents, numbers.mixed_numbers,
        numbers.square_roots, numbers.surds, numbers.pi_multiples, numbers.complex_numbers, numbers.powers, numbers.scientific, numbers.counted, numbers.recurring,
        numbers.higher_roots, numbers.logarithms, numbers.number_words, numbers.units, numbers.money, numbers.degrees,
        algebra.polynomials, algebra.products, algebra.rational_functions, algebra.absolute_values, algebra.waves, algebra.equations, algebra.families,
        several.tuples, several.vectors, several.lists, several.sets, several.plus_or_minus, several.matrices, several.intervals, several.inequalities, several.unions,
        several.labelled, several.counted_things, several.assignments, several.ratios,
        codes.times, codes.clock, codes.durations, codes.hexadecimal, codes.binary, codes.octal, codes.other_bases, codes.remainders, codes.dimensions, codes.sequences,
        codes.grids, codes.letter_orders, codes.truth_patterns, codes.figures, codes.roman, codes.squares, codes.names, codes.signed_words, codes.choices,
        codes.nothing_or_everything, codes.one_of_several,
    )
}  # fmt: skip


def wrong_answers(name: str, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """``count`` different pairs of a gold and an answer that is wrong for it."""
    rng = random.Random(zlib.crc32(f"{name} {seed}".encode()))
    seen: set[tuple[str, str]] = set()
    while len(seen) < count:
        case = FORMS[name](rng)
        pair = case.gold, _wrong(case, FORMS[name], rng)
        if pair not in seen:
            seen.add(pair)
            yield pair


def right_answers(name: str, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """``count`` pairs of a gold and an answer that is right for it."""
    rng = random.Random(zlib.crc32(f"{name} {seed} right".encode()))
    for _ in range(count):
        case = FORMS[name](rng)
        text = rng.choice(case.right)
        dress = "{}" if "boxed" in text else rng.choice((r"\boxed{{{}}}", "<answer>{}</answer>", "{}") if "\n" in text else HONEST)
        yield case.gold, dress.format(text)


def _wrong(case: Case, form: Form, rng: Rng) -> str:
    chance = rng.random()
    if case.prose and chance < 0.08:
        return rng.choice(DENIALS).format(case.gold)
    if case.prose and chance < 0.16:
        return rng.choice(CHANGES).format(case.gold)
    if case.prose and chance < 0.22 and (other := form(rng)).key != case.key:
        return rng.choice(OFFERS).format(case.gold, other.gold)
    text = rng.choice([text for text, key in case.wrong if key is None or (key != case.key and key not in case.also)])
    dress = rng.choice(DRESSES)
    return text if "box" in text or "answer>" in text else dress.format(text)
