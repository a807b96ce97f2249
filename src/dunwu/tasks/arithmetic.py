"""Chain arithmetic: compute chains of ``+ - *`` with the usual precedence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from random import Random

from dunwu.config.tasks import ArithmeticTask
from dunwu.tasks.base import HeldOut
from dunwu.tasks.splits import is_reserved, split_of
from dunwu.tasks.wording import compute
from dunwu.text.answer_forms import DEFAULT, in_form
from dunwu.types import AnswerForm, Language, Problem, Split

LARGEST_RESULT = 999
_LARGEST_TERM = 99
_LARGEST_FACTOR = 12
_REPEATS_UNTIL_EXHAUSTED = 3000


@dataclass(frozen=True, slots=True)
class Chain:
    """``numbers[0] operators[0] numbers[1] ...``"""

    numbers: tuple[int, ...]
    operators: tuple[str, ...]
    value: int

    @property
    def text(self) -> str:
        rest = (operator + str(number) for operator, number in zip(self.operators, self.numbers[1:], strict=True))
        return str(self.numbers[0]) + "".join(rest)


class Arithmetic:
    """Chain arithmetic; ``difficulty`` is the number of terms, ``answer`` the value, ``data`` holds ``numbers`` and ``expression``."""

    name = "arithmetic"

    def __init__(self, config: ArithmeticTask, answer_form: AnswerForm = DEFAULT) -> None:
        self.config, self.answer_form = config, answer_form

    def train(self, index: int, seed: int) -> Problem:
        """Length and language are drawn with equal weight."""
        rng = Random(f"{seed}-{index}-arithmetic")
        terms, language = rng.randint(2, self.config.max_terms), rng.choice(self.config.languages)
        return self._problem(f"arithmetic-train-{seed}-{index}", draw_chain(terms, "train", rng), language)

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Different expressions, alternating between lengths, and between languages within a length."""
        rng = Random(f"{seed}-{split}-arithmetic")
        lengths, languages = range(2, self.config.max_terms + 1), self.config.languages
        chains: dict[str, Chain] = {}
        repeats = 0
        while len(chains) < limit and repeats < _REPEATS_UNTIL_EXHAUSTED:
            chain = draw_chain(lengths[len(chains) % len(lengths)], split, rng)
            repeats = repeats + 1 if chain.text in chains else 0
            chains.setdefault(chain.text, chain)
        return [
            self._problem(f"arithmetic-{split}-{seed}-{i}", chain, languages[i // len(lengths) % len(languages)])
            for i, chain in enumerate(chains.values())
        ]

    def _problem(self, identity: str, chain: Chain, language: Language) -> Problem:
        problem = Problem(
            id=identity,
            task=self.name,
            text=compute(chain.text, language, self.config.wording, self.answer_form),
            verifier="plain_number",
            answer=str(chain.value),
            language=language,
            difficulty=float(len(chain.numbers)),
            data={"numbers": list(chain.numbers), "expression": chain.text},
        )
        return in_form(problem, self.answer_form)


def draw_chain(terms: int, split: Split, rng: Random) -> Chain:
    """A chain of ``terms`` numbers whose multiset belongs to ``split``; its value and all its running sums are in 0..999.

    Factors are at most 12, other terms at most 99.
    """
    while True:
        operators = tuple(rng.choice("+-*") for _ in range(terms - 1))
        numbers = tuple(
            rng.randint(2, _LARGEST_FACTOR) if "*" in (before, after) else rng.randint(1, _LARGEST_TERM)
            for before, after in zip(("", *operators), (*operators, ""), strict=True)
        )
        if split_of(numbers) != split or is_reserved(numbers):
            continue
        sums = list(accumulate(signed_products(numbers, operators)))
        if all(0 <= value <= LARGEST_RESULT for value in sums):
            return Chain(numbers, operators, sums[-1])


def signed_products(numbers: Sequence[int], operators: Sequence[str]) -> list[int]:
    """The summands of a chain, with products evaluated: ``3-4*5+6`` gives ``[3, -20, 6]``."""
    factors: list[list[int]] = [[numbers[0]]]
    for operator, number in zip(operators, numbers[1:], strict=True):
        if operator == "*":
            factors[-1].append(number)
        else:
            factors.append([number if operator == "+" else -number])
    return [prod(group) for group in factors]
