r"""Answers made by rule, so that their truth is known: wrong ones by mutation of a gold, and honest rewrites, for each form of gold.

``wrong_answers("fractions", 1000)`` gives ``(gold, answer)`` of which none is right, ``right_answers`` those that all are. The forms are
in `tests.verifiers.answers`; here their answers are dressed (boxes, tags, ``\text{}``) and words put around the gold.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

from tests.verifiers.answers import algebra, codes, expressions, labelled, letters, measures, numbers, ranges, several
from tests.verifiers.answers.case import CHANGES, DENIALS, DRESSES, HONEST, OFFERS, Case, Form, Rng

MODULES = (numbers, expressions, measures, algebra, several, ranges, labelled, codes, letters)
FORMS: dict[str, Form] = {
    name.replace("_", " "): made
    for module in MODULES
    for name, made in vars(module).items()
    if callable(made)
    and made.__module__ == module.__name__
    and list(made.__annotations__) == ["rng", "return"]
    and made.__annotations__["return"] == "Case"
}
"""Every function of these modules that makes a case of a random generator alone."""


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
