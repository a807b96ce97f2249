"""Searches as text: worked reductions, from a wild guess to a careful depth-first search.

The notation (``4*6=24,3,5:`` is a step and the remaining numbers; ``3+5=8,24;`` a second step that is a dead end) is compact, so that a
model of a million weights can search a dozen branches within a few hundred tokens.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dunwu.data.tiny_world.reduction import State, Step, expression, good_steps, steps

BACKTRACK = {
    "en": ("wait,", "wait,", "wait,", "no,", "no,", "hmm,", "but", "wrong,", "retry:", "mistake,", "however,"),
    "zh": ("等等,", "等等,", "等等,", "不对,", "不行,", "再试:", "错了,", "换一个,"),
}
CHECK = {"en": ("check ", "check ", "verify ", "so "), "zh": ("检查:", "验证:", "所以")}
GIVE_UP = {"en": ("I give up.", "too hard.", "I do not know."), "zh": ("我放弃。", "太难了。", "我不知道。")}


@dataclass(frozen=True)
class Searched:
    """The text of a search, and the path it ended on (``None``: nothing found)."""

    text: str
    path: list[Step] | None


def after(step: Step) -> str:
    """``4*6=24,3,5``: the equation, then the other remaining numbers."""
    rest = list(step.state)
    rest.remove(step.result)
    return ",".join([step.equation, *map(str, rest)])


def careful(rng: random.Random, state: State, target: int, language: str, *, insight: float, budget: int) -> Searched:
    """Depth-first search. ``insight``: probability of choosing a branch that leads to the target. ``budget``: largest number of steps."""
    text: list[str] = []
    looked = 0
    tried: set[tuple[int, str, int]] = set()
    while looked < budget:
        first = _choose(rng, state, target, insight, tried)
        if first is None:
            break
        if tried:
            text.append(_backtrack(rng, language, len(state)))
        tried.add(first[:3])
        looked += 1
        if len(state) == 2:
            text.append(first.equation + ".")
            if first.result == target:
                return Searched("".join(text), [first])
            continue
        if len(first.state) == 2:
            last = _last_step(first.state, target)
            text.append(after(first) + (":" if last else ";"))
            if last:
                text.append(last.equation + ".")
                return Searched("".join(text), [first, last])
            continue
        text.append(after(first) + ":")
        found, seen = _second_level(rng, first, target, insight, text)
        looked += seen
        if found:
            return Searched("".join(text), found)
    return Searched("".join(text), None)


def _second_level(rng: random.Random, first: Step, target: int, insight: float, text: list[str]) -> tuple[list[Step] | None, int]:
    tried: set[tuple[int, str, int]] = set()
    width = rng.choice((2, 3, 3, 4, 5, 6))
    for seen in range(1, width + 1):
        second = _choose(rng, first.state, target, insight, tried)
        if second is None:
            return None, seen
        tried.add(second[:3])
        last = _last_step(second.state, target)
        text.append(after(second) + (":" if last else ";"))
        if last:
            text.append(last.equation + ".")
            return [first, second, last], seen
    return None, width


def _choose(rng: random.Random, state: State, target: int, insight: float, tried: set[tuple[int, str, int]]) -> Step | None:
    if rng.random() < insight:
        fresh = [step for step in good_steps(state, target) if step[:3] not in tried]
        if fresh:
            return rng.choice(fresh)
    fresh = [step for step in steps(state) if step[:3] not in tried and _sensible(step)]
    return rng.choice(fresh) if fresh else None


def _sensible(step: Step) -> bool:
    """Steps without the redundant ``a/1`` beside ``a*1``."""
    return not (step.op == "/" and step.right == 1)


def _last_step(state: State, target: int) -> Step | None:
    found = good_steps(state, target)
    return found[0] if found else None


def _backtrack(rng: random.Random, language: str, size: int) -> str:
    if size == 3 and rng.random() < 0.5:
        return ""
    word = rng.choice(BACKTRACK[language])
    return f" {word} " if language == "en" else word


def recap(rng: random.Random, path: list[Step], language: str) -> str:
    """``check 3*7=21,21+8=29.``: the path in order, once more."""
    lead = rng.choice(CHECK[language])
    return (" " if language == "en" else "") + lead + ",".join(step.equation for step in path) + "."


def random_path(rng: random.Random, state: State) -> list[Step]:
    """Random steps until one number remains."""
    path: list[Step] = []
    while len(state) > 1:
        step = rng.choice(steps(state))
        path.append(step)
        state = step.state
    return path


def slip(rng: random.Random, path: list[Step], target: int) -> list[Step]:
    """A path whose last result is mistaken for the target."""
    last = path[-1]
    return [*path[:-1], last._replace(result=target)]


def wild_guess(rng: random.Random, state: State, target: int, language: str, tries: int) -> Searched:
    """A few random tries; the last one becomes the answer, sometimes with a wrong sum."""
    text: list[str] = []
    path: list[Step] = []
    for attempt in range(tries):
        path = random_path(rng, state)
        if attempt == tries - 1 and rng.random() < 0.35:
            path = slip(rng, path, target)
        if attempt and rng.random() < 0.15:
            text.append(_backtrack(rng, language, 4))
        text.append(",".join(step.equation for step in path) + ".")
        if path[-1].result == target:
            break
    return Searched("".join(text), path)


def answer_of(path: list[Step]) -> str:
    return expression(path)
