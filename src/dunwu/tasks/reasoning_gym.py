"""Any data set of reasoning-gym as a task."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from difflib import get_close_matches
from random import Random
from typing import Any

from dunwu.config.tasks import ReasoningGymTask
from dunwu.errors import ConfigError, DataError
from dunwu.tasks.base import HeldOut, permuted
from dunwu.tasks.splits import is_reserved, split_of, split_of_text
from dunwu.text.answer_forms import DEFAULT, in_form
from dunwu.types import AnswerForm, Problem, Split

UNIVERSE_SEED = 0
"""Seed of the ``size`` items of all splits; the seeds of ``train`` and ``held_out`` only order them."""


class ReasoningGym:
    """Items of ``reasoning_gym.create_dataset(name, size=size, seed=UNIVERSE_SEED)``, see ``split_of_entry``.

    ``data`` has the item's origin (``name``, ``size``, ``seed``, ``index``, and ``parameters`` if any) and the item as JSON
    (``question``, ``answer``, ``metadata``). JSON turns tuples into lists, which breaks the scoring of ``arc_agi`` and
    ``rearc``: their items must be generated again.
    """

    def __init__(self, config: ReasoningGymTask, answer_form: AnswerForm = DEFAULT) -> None:
        self.name, self.answer_form = config.title or config.name, answer_form
        self._config = config
        self._dataset = create(config)

    def train(self, index: int, seed: int) -> Problem:
        """An epoch is one pass over the items in a random order; a random training item replaces each held-out one."""
        _, position = permuted(index, self._config.size, seed)
        return next(self._from_split("train", self._positions(position, f"{seed}-{index}")))

    def held_out(self, split: HeldOut, limit: int, seed: int = 0) -> list[Problem]:
        """Items of ``split`` with different questions, in a random order."""
        order = (permuted(step, self._config.size, seed)[1] for step in range(self._config.size))
        found: dict[str, Problem] = {}
        for problem in self._from_split(split, order) if limit > 0 else ():
            found.setdefault(problem.text, problem)
            if len(found) == limit:
                break
        return list(found.values())

    def _positions(self, first: int, seed: str) -> Iterator[int]:
        """``first``, then up to 1,000 random positions; four in five items are for training."""
        rng = Random(seed)
        yield first
        for _ in range(1000):
            yield rng.randrange(self._config.size)
        raise DataError(f"reasoning-gym data set {self._config.name!r} has no training items among {self._config.size}: raise size")

    def _from_split(self, split: Split, positions: Iterator[int]) -> Iterator[Problem]:
        for position in positions:
            entry = self._dataset[position]
            if split_of_entry(entry) == split:
                yield self._problem(position, entry)

    def _problem(self, position: int, entry: dict[str, Any]) -> Problem:
        item = json.loads(json.dumps({key: entry[key] for key in ("question", "answer", "metadata")}, default=str))
        origin: dict[str, Any] = {"name": self._config.name, "size": self._config.size, "seed": UNIVERSE_SEED, "index": position}
        if self._config.parameters:
            origin["parameters"] = json.loads(json.dumps(self._config.parameters))
        problem = Problem(
            id=f"{self.name}-{position}",
            task=self.name,
            text=entry["question"],
            verifier="reasoning_gym",
            answer=item["answer"] if isinstance(item["answer"], str) else None,
            data={**origin, **item},
        )
        return in_form(problem, self.answer_form)


def split_of_entry(entry: dict[str, Any]) -> Split | None:
    """The split of an item: by its number multiset if it has whole numbers (``countdown``, ``puzzle24``), else by its question.

    ``None`` for the reserved multisets of the Game of 24.
    """
    numbers = entry["metadata"].get("numbers")
    if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
        return split_of_text(entry["question"])
    return None if is_reserved(numbers) else split_of(numbers)


def create(config: ReasoningGymTask) -> Any:
    """The reasoning-gym data set. Raises ConfigError for an unknown name or parameter, with the nearest known ones."""
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    name = config.name
    if name not in DATASETS:
        hint = _nearest(name, DATASETS)
        raise ConfigError(f"reasoning-gym has no data set {name!r}: {hint}")
    known = [field.name for field in fields(DATASETS[name][1]) if field.name not in ("seed", "size")]
    for parameter in config.parameters:
        if parameter not in known:
            hint = _nearest(parameter, known)
            raise ConfigError(f"reasoning-gym data set {name!r} has no parameter {parameter!r}: {hint}")
    try:
        return reasoning_gym.create_dataset(name, size=config.size, seed=UNIVERSE_SEED, **config.parameters)
    except (AssertionError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"reasoning-gym data set {name!r} cannot be made ({reason}): choose other parameters, or another set") from error


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.4)
    names = sorted(known)
    return f"did you mean {', '.join(near)}?" if near else f"choose one of its {len(names)}, such as {', '.join(names[:3])}"
