"""Countdown: reach a target with each number used exactly once and ``+ - * /``. Every problem is solvable by construction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random
from types import MappingProxyType

from dunwu.config.tasks import CountdownTask
from dunwu.errors import ConfigError
from dunwu.tasks.base import HeldOut
from dunwu.tasks.splits import is_reserved, split_of
from dunwu.tasks.wording import reach_target
from dunwu.text.answer_forms import DEFAULT, in_form
from dunwu.types import AnswerForm, Language, Problem, Split


@dataclass(frozen=True, slots=True)
class Level:
    """A level of difficulty: ``count`` numbers from 1 to ``largest``, and the range of the target.

    ``bound`` is the largest intermediate result of the solution from which a problem is made.
    """

    count: int
    largest: int
    lowest_target: int
    highest_target: int
    bound: int = 200


LEVELS: Mapping[int, Level] = MappingProxyType(
    {
        1: Level(3, 10, 10, 50),
        2: Level(3, 20, 10, 99),
        3: Level(4, 10, 10, 50),
        4: Level(4, 13, 10, 99),
        5: Level(4, 99, 10, 999, bound=9999),
    }
)
"""Level 5 has the size of TinyZero's problems and is not among the defaults."""

_TREES_PER_DRAW = 10
_REPEATS_UNTIL_EXHAUSTED = 3000

DrawKey = tuple[tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Draw:
    """The numbers in the order of the prompt, the target, and the level."""

    numbers: tuple[int, ...]
    target: int
    level: int

    @property
    def key(self) -> DrawKey:
        """Number multiset and target, which identify a problem."""
        return tuple(sorted(self.numbers)), self.target


class Countdown:
    """Countdown problems; ``difficulty`` is the level, ``data`` holds ``numbers``, ``target`` and ``level``."""

    name = "countdown"

    def __init__(self, config: CountdownTask, answer_form: AnswerForm = DEFAULT) -> None:
        unknown = sorted(set(config.levels) - set(LEVELS))
        if unknown:
            raise ConfigError(f"countdown has no level {unknown[0]}: choose from {', '.join(map(str, LEVELS))}")
        self.config, self.answer_form = config, answer_form

    def train(self, index: int, seed: int) -> Problem:
        """Level and language are drawn with equal weight."""
        rng = Random(f"{seed}-{index}-countdown")
        level, language = rng.choice(self.config.levels), rng.choice(self.config.languages)
        return self._problem(f"countdown-train-{seed}-{index}", draw(level, "train", rng), language)

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Problems alternating between levels, and between languages within a level; no two have the same numbers and target."""
        seen: set[DrawKey] = set()
        streams = [distinct_draws(level, split, seed, seen) for level in dict.fromkeys(self.config.levels)]
        draws = islice(_take_turns(streams), max(limit, 0))
        languages = self.config.languages
        return [
            self._problem(f"countdown-{split}-{seed}-{i}", drawn, languages[i // len(streams) % len(languages)])
            for i, drawn in enumerate(draws)
        ]

    def _problem(self, identity: str, drawn: Draw, language: Language) -> Problem:
        problem = Problem(
            id=identity,
            task=self.name,
            text=reach_target(drawn.numbers, drawn.target, language, self.config.wording, self.answer_form),
            verifier="expression",
            language=language,
            difficulty=float(drawn.level),
            data={"numbers": list(drawn.numbers), "target": drawn.target, "level": drawn.level},
        )
        return in_form(problem, self.answer_form)


def draw(level: int, split: Split, rng: Random) -> Draw:
    """A problem of ``level`` whose number multiset belongs to ``split`` and is not reserved."""
    shape = LEVELS[level]
    while True:
        numbers = tuple(rng.randint(1, shape.largest) for _ in range(shape.count))
        if split_of(numbers) != split or is_reserved(numbers):
            continue
        for _ in range(_TREES_PER_DRAW):
            target = _random_result(numbers, shape.bound, rng)
            if shape.lowest_target <= target <= shape.highest_target:
                return Draw(numbers, target, level)


def distinct_draws(level: int, split: Split, seed: int, seen: set[DrawKey]) -> Iterator[Draw]:
    """Yields problems of one level that are not in ``seen``, and adds them to it; ends when new ones have become too rare."""
    rng = Random(f"{seed}-{split}-{level}-countdown")
    repeats = 0
    while repeats < _REPEATS_UNTIL_EXHAUSTED:
        drawn = draw(level, split, rng)
        if drawn.key in seen:
            repeats += 1
            continue
        repeats = 0
        seen.add(drawn.key)
        yield drawn


def _random_result(numbers: tuple[int, ...], bound: int, rng: Random) -> int:
    """Combine two random numbers by a random valid operation until one remains; returns its value, in ``[0, bound]``."""
    pool = list(numbers)
    while len(pool) > 1:
        a = pool.pop(rng.randrange(len(pool)))
        b = pool.pop(rng.randrange(len(pool)))
        results = [abs(a - b)]
        if a + b <= bound:
            results.append(a + b)
        if a * b <= bound:
            results.append(a * b)
        small, large = min(a, b), max(a, b)
        if small and large % small == 0:
            results.append(large // small)
        pool.append(rng.choice(results))
    return pool[0]


def _take_turns(streams: list[Iterator[Draw]]) -> Iterator[Draw]:
    """One draw of each stream in turn, without those that have ended."""
    active = list(streams)
    while active:
        for stream in list(active):
            drawn = next(stream, None)
            if drawn is None:
                active.remove(stream)
            else:
                yield drawn
