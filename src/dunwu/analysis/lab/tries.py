"""What a chain of thought does in a puzzle: which combinations it tries, which it takes back, and which it evaluates again.

The puzzle gives numbers; an equation uses some of what is left and leaves its result. The equations form a walk in the tree of
combinations, of which the path is kept: from all numbers down to a single one, a **candidate**, whose value is compared with the target.
An equation that uses numbers which are no longer left goes back to the deepest place on the path that has them; what lies below that place
is taken back. An equation that no place on the path allows is ignored.

- **backtrack**: a candidate that missed the target is taken back, and another step is taken in its place;
- **drop**: the same before the try became a candidate;
- **recheck**: the candidate just evaluated is evaluated again, in the same or in fewer steps, with nothing else tried in between;
- **correction**: the left side of a false equation is written again with its true value.

Combinations are equal if they are the same rational function of the numbers: each number becomes a fixed residue modulo a prime, and the
walk is also done with these (a chance in a million of a mistake). Time is linear in the number of equations. Imports no torch.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from dunwu.analysis.lab.equations import Equation, exact
from dunwu.analysis.lab.material import Puzzle
from dunwu.verifiers.expression import Exact, NotAnExpression, parse_expression

Kind = Literal["backtrack", "drop", "recheck", "correction"]
_PRIME = 999_983
_LITERAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done, and where in the text the equation stands with which it begins."""

    kind: Kind
    start: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A full combination; ``value`` is what the chain says that it is, ``sound`` whether all its equations are true."""

    start: int
    end: int
    value: Fraction
    sound: bool


@dataclass(frozen=True, slots=True)
class _Item:
    """A number that is left, and its residue."""

    value: Exact
    mark: int


@dataclass(frozen=True, slots=True)
class _Place:
    """What is left after the steps so far."""

    left: tuple[_Item, ...]
    sound: bool = True

    @property
    def name(self) -> tuple[int, ...]:
        """The same for the same combination."""
        return tuple(sorted(item.mark for item in self.left))


@dataclass(slots=True)
class _Taken:
    """The part of the path that was taken back, until it is clear what is done in its place."""

    names: tuple[tuple[int, ...], ...]
    start: int
    missed: bool | None
    """Whether it ended in a candidate that missed the target; ``None``: it was no candidate."""


@dataclass(slots=True)
class Walk:
    """The walk of a chain through the combinations of a puzzle."""

    puzzle: Puzzle
    deeds: list[Deed] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    _path: list[_Place] = field(default_factory=list)
    _taken: _Taken | None = None

    def __post_init__(self) -> None:
        self._path = [_Place(tuple(_Item(number, _mark(number)) for number in self.puzzle.numbers))]

    def take(self, equation: Equation, left: Sequence[int] = ()) -> None:
        """One step, if any place on the path allows it: the deepest at which ``left`` is left beside the result, or else the deepest."""
        allowed = [(depth, used) for depth, place in enumerate(self._path) if (used := _used(place, equation)) is not None]
        stated = Counter[Exact]((equation.claimed, *left))
        agreeing = [each for each in allowed if left and _values_after(self._path[each[0]], each[1], equation) == stated]
        if allowed:
            depth, used = (agreeing or allowed)[-1]
            place = _after(self._path[depth], used, equation)
            if place is not None:
                self._step(depth, place, equation)

    def _step(self, depth: int, place: _Place, equation: Equation) -> None:
        below = self._path[depth + 1 :]
        if below and self._taken is None:
            last = self.candidates[-1] if len(below[-1].left) == 1 and self.candidates else None
            missed = None if last is None else last.value != self.puzzle.target
            self._taken = _Taken(tuple(each.name for each in below), equation.start, missed)
        del self._path[depth + 1 :]
        self._path.append(place)
        if len(place.left) == 1:
            self.candidates.append(Candidate(equation.start, equation.end, Fraction(place.left[0].value), place.sound))
        if self._taken is not None:
            self._compare(self._taken, place)

    def _compare(self, taken: _Taken, place: _Place) -> None:
        """Say what is done in the place of what was taken back, as soon as that is clear."""
        if place.name == taken.names[-1]:
            if taken.missed is not None:
                self.deeds.append(Deed("recheck", taken.start))
        elif place.name in taken.names:
            return  # the same way so far
        elif taken.missed is not False:
            self.deeds.append(Deed("drop" if taken.missed is None else "backtrack", taken.start))
        self._taken = None


def _used(place: _Place, equation: Equation) -> list[int] | None:
    """Where in what is left the equation's numbers are; ``None`` if it uses what is not left, or a single number."""
    used = list[int]()
    for operand in equation.operands:
        index = next((i for i in range(len(place.left) - 1, -1, -1) if place.left[i].value == operand and i not in used), None)
        if index is None:
            return None
        used.append(index)
    return used if len(used) > 1 else None


def _values_after(place: _Place, used: Sequence[int], equation: Equation) -> Counter[Exact]:
    return Counter([*(item.value for i, item in enumerate(place.left) if i not in used), equation.claimed])


def _after(place: _Place, used: Sequence[int], equation: Equation) -> _Place | None:
    """The place after an equation; ``None`` if its left side cannot be evaluated."""
    mark = _mark_of(equation.left, [place.left[i].mark for i in used])
    if mark is None:
        return None
    kept = (item for i, item in enumerate(place.left) if i not in used)
    return _Place((*kept, _Item(exact(equation.claimed), mark)), place.sound and equation.true)


@lru_cache(maxsize=4096)
def _mark(number: int) -> int:
    return int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=8).digest()) % _PRIME


def _mark_of(side: str, marks: Sequence[int]) -> int | None:
    """The residue of an expression whose numbers have these residues; ``None`` if it is outside the grammar."""
    following = iter(marks)
    try:
        value = parse_expression(_LITERAL.sub(lambda _: str(next(following)), side)).value
    except (NotAnExpression, ZeroDivisionError):
        return None
    return 0 if value.denominator % _PRIME == 0 else value.numerator * pow(value.denominator, -1, _PRIME) % _PRIME


_LISTED = re.compile(r"(?:[,，][ ]?[0-9]{1,9}(?![0-9.]*+[ \t]*+[-+*/=(×÷])){1,8}+")


def listed(text: str, end: int) -> tuple[int, ...]:
    """The numbers that a chain lists behind an equation as those that are left: ``8, 5`` in ``9-1=8,8,5:8+5=13``."""
    found = _LISTED.match(text, end)
    return tuple(map(int, re.findall("[0-9]+", found[0]))) if found else ()


def walk(text: str, found: Iterable[Equation], puzzle: Puzzle) -> Walk:
    """The walk of a chain's equations."""
    walked = Walk(puzzle)
    for equation in found:
        walked.take(equation, listed(text, equation.end))
    return walked


_PAIR = re.compile(r"([^+*/()-]+)([+*])([^+*/()-]+)")


def corrections(found: Iterable[Equation]) -> list[Deed]:
    """The false equations that are later written with their true value, each once; ``3*4`` and ``4*3`` are one."""
    false: set[str] = set()
    deeds = []
    for equation in found:
        pair = _PAIR.fullmatch(equation.left)
        side = pair[2].join(sorted((pair[1], pair[3]))) if pair else equation.left
        if not equation.true:
            false.add(side)
        elif side in false:
            false.remove(side)
            deeds.append(Deed("correction", equation.start))
    return deeds
