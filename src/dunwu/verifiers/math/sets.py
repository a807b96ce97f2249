r"""Sets of reals as intervals: ``x < 1 or x > 2``, ``(-\infty,1)\cup(2,\infty)`` and ``\mathbb{R} \setminus [1,2]`` are one set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from dunwu.verifiers.math.numeric import FIRST, NoValue, doubles, evaluate
from dunwu.verifiers.math.values import INFINITIES, Collection, Relation, Scalar, Value, infinite, is_name, name_of, symbols

_NEAR = 1e-9


@dataclass(frozen=True)
class End:
    """One end of an interval: its position, and whether it belongs to the interval."""

    value: Scalar
    place: float
    closed: bool


@dataclass(frozen=True)
class RealSet:
    """Disjoint intervals in ascending order; ``variable`` is empty if none was named."""

    pieces: tuple[tuple[End, End], ...]
    variable: str = field(default="", compare=False)


def real_set(value: Value) -> RealSet | None:
    """The set of reals that ``value`` states; ``None`` if it states none, or one whose ends are not constants."""
    match value:
        case Relation(sides, ("≠",)) if is_name(sides[0]):
            point = real_set(Collection("set", (sides[1],)))
            return point and RealSet(_complement(point.pieces), name_of(sides[0]))
        case Relation(sides, ("=",)) if is_name(sides[0]):
            point = real_set(Collection("set", (sides[1],)))
            return point and RealSet(point.pieces, name_of(sides[0]))
        case Collection("tuple", (Scalar() as low, Scalar() as high), brackets) if brackets[0] in "([" and brackets[-1] in ")]":
            return _interval(low, high, brackets, value.variable)
        case Collection("set", items):
            return _points(items)
        case Collection("union", items):
            return _joined(items)
        case Collection("minus", (whole, *rest)):
            return _without(whole, rest)
        case Collection("list", items, link) if all(map(_is_condition, items)):
            return _linked(items, link)
        case Collection("list", items) if all(map(_is_pair, items)) and any(map(_is_interval, items)):
            return _joined(items)
    return None


def ends(one: RealSet, other: RealSet) -> Iterator[tuple[Value, Value]]:
    """Pairs of the ends of two sets with equally many intervals."""
    for mine, yours in zip(one.pieces, other.pieces, strict=True):
        for end, partner in zip(mine, yours, strict=True):
            yield end.value, partner.value


def same_ends(one: RealSet, other: RealSet) -> bool:
    """True if the same ends belong to both sets."""
    return all(
        end.closed == partner.closed
        for mine, yours in zip(one.pieces, other.pieces, strict=True)
        for end, partner in zip(mine, yours, strict=True)
    )


def _is_pair(value: Value) -> bool:
    return isinstance(value, Collection) and value.kind == "tuple" and len(value.items) == 2


def _is_interval(value: Value) -> bool:
    """An interval and not a point: an end is infinite, or the brackets differ."""
    return isinstance(value, Collection) and (value.brackets in ("(]", "[)") or any(map(infinite, value.items)))


def _is_condition(value: Value) -> bool:
    """An equation or inequality of a variable: ``(1,2), (3,4)`` are points."""
    return isinstance(value, Relation) or (isinstance(value, Collection) and (bool(value.variable) or value.kind in ("union", "minus")))


def place(scalar: Scalar) -> float | None:
    """The position of a constant on the real line; ``None`` if it has letters or is not real."""
    if sign := infinite(scalar):
        return sign * math.inf
    if scalar.node is None or any(name not in ("pi", "e") for name in symbols(scalar.node)):
        return None
    try:
        number = evaluate(scalar.node, FIRST, doubles())
    except (ArithmeticError, ValueError, NoValue, RecursionError):
        return None
    return float(number.real) if abs(number.imag) <= _NEAR * abs(number) else None


def _interval(low: Scalar, high: Scalar, brackets: str, variable: str) -> RealSet | None:
    start, end = place(low), place(high)
    if start is None or end is None or start > end:
        return None
    ends = End(low, start, brackets[0] == "["), End(high, end, brackets[-1] == "]")
    return RealSet((ends,), variable)


def _points(items: tuple[Value, ...]) -> RealSet | None:
    pieces = []
    for item in items:
        where = place(item) if isinstance(item, Scalar) else None
        if where is None or not isinstance(item, Scalar):
            return None
        pieces.append((End(item, where, True), End(item, where, True)))
    return RealSet(_merged(pieces))


def _joined(items: tuple[Value, ...]) -> RealSet | None:
    sets = [real_set(item) for item in items]
    if not all(sets) or len({one.variable for one in sets if one and one.variable}) > 1:
        return None
    known = [one for one in sets if one]
    return RealSet(_merged([piece for one in known for piece in one.pieces]), next((one.variable for one in known if one.variable), ""))


def _without(whole: Value, rest: list[Value]) -> RealSet | None:
    base, taken = real_set(whole), _joined(tuple(rest))
    return base and taken and RealSet(_intersection(base.pieces, _complement(taken.pieces)), base.variable)


def _linked(items: tuple[Value, ...], link: str) -> RealSet | None:
    """Conditions linked by *or* or *and*; if linked by commas only, they exclude each other or hold together."""
    joined = _joined(items)
    if joined is None or link == "⋁":
        return joined
    sets = [one for item in items if (one := real_set(item))]
    common = sets[0].pieces
    for one in sets[1:]:
        common = _intersection(common, one.pieces)
    return RealSet(common, joined.variable) if common or link else joined


def _merged(pieces: list[tuple[End, End]]) -> tuple[tuple[End, End], ...]:
    merged: list[tuple[End, End]] = []
    for low, high in sorted(pieces, key=lambda piece: (piece[0].place, not piece[0].closed)):
        if low.place == high.place and not (low.closed and high.closed):
            continue
        if merged and _touches(merged[-1][1], low):
            start, end = merged[-1]
            if _same(high, end):
                high = End(end.value, end.place, end.closed or high.closed)
            merged[-1] = (start, high if high.place > end.place or _same(high, end) else end)
        else:
            merged.append((low, high))
    return tuple(merged)


def _same(one: End, other: End) -> bool:
    return one.place == other.place or math.isclose(one.place, other.place, rel_tol=_NEAR)


def _touches(end: End, start: End) -> bool:
    return (start.place < end.place and not _same(start, end)) or (_same(start, end) and (start.closed or end.closed))


def _complement(pieces: tuple[tuple[End, End], ...]) -> tuple[tuple[End, End], ...]:
    gaps, start = [], End(INFINITIES[0], -math.inf, False)
    for low, high in pieces:
        gaps.append((start, End(low.value, low.place, not low.closed)))
        start = End(high.value, high.place, not high.closed)
    gaps.append((start, End(INFINITIES[1], math.inf, False)))
    return tuple((low, high) for low, high in gaps if (low.place < high.place and not _same(low, high)) or (low.closed and high.closed))


def _intersection(one: tuple[tuple[End, End], ...], other: tuple[tuple[End, End], ...]) -> tuple[tuple[End, End], ...]:
    return _complement(_merged([*_complement(one), *_complement(other)]))
