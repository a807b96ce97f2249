r"""The equations that a chain of thought states, ``a op b = c``, each with its exact truth.

Both sides are read by the verifier's own parser (`dunwu.verifiers.expression`): exact fractions, bounded length, depth and digits, never
``eval``. An equation counts if one side calculates something and both have a value; all else (variables, powers, per cents, implied
multiplication, numbers beyond the bounds) is not judged. Where a text can be read in two ways, the one that makes it true is taken:

- ``3+5=8-2=6`` states 3+5=8 and 8-2=6, as people write on; ``5/1=5.8*3=24`` states 5/1=5 and 8*3=24;
- a decimal is right if it is the true value rounded to its places, ``10/3=3.33``, or but for the noise of floating point.

A side that is only a part of something (a function's argument, a quotient with a remainder, an unfinished product) is not judged either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from dunwu.verifiers.expression import MAX_LENGTH, Exact, NotAnExpression, parse_expression

_SPELLING = str.maketrans("×·⋅∗÷∕−–（）＝$", "****//--()= ")
_COMMANDS = ((r"\times", "*     "), (r"\cdot", "*    "), (r"\div", "/   "), ("**", "  "))
"""Spelt out at the same length, so that places stay; ``**`` is bold, and a power is not judged anyway."""
_TIMES = re.compile(r"(?<=[0-9)] )x(?= [0-9(])")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3}){1,4}(?:\.[0-9]{1,6})?(?![0-9,])")
_RUN = re.compile(r"(?:[0-9]++(?:\.[0-9]++)?|[-+*/()=]|[ \t])++")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_FIRST = re.compile(r"[ \t]*+(-?[0-9]{1,18}+)(?:\.([0-9]{1,18}+))?(?![0-9])([ \t]*+)")
_DECIMAL = re.compile(r"([0-9]+)\.([0-9]+)")
_JOINED_BEFORE = re.compile(r"[A-Za-z_^%}\]!√\\'′]")
_PART_BEFORE = re.compile(r"(?:\\[A-Za-z]{0,20}|[}%]|\bof)$")
_JOINED_AFTER = re.compile(
    r"(?<![ \t])[A-Za-z_^%{\[!°\\]|\.[0-9]|(?<=[ \t])(?:\\(?:log|ln|sin|cos|tan|sqrt|d?frac|pi|left))|[ \\a-z{]{0,24}?remainder|余"
)
_NOISE, _MANY_PLACES = Fraction(1, 10**9), 6
"""Relative error that floating point may leave in a number with that many decimal places."""


@dataclass(frozen=True, slots=True)
class Equation:
    """``left`` (the side that calculates, without spaces) is said to be ``claimed``; ``start`` and ``end`` are its place in the text."""

    start: int
    end: int
    left: str
    claimed: Fraction
    true: bool

    @property
    def operands(self) -> tuple[Exact, ...]:
        """The numbers of the left side, in order."""
        return _numbers(self.left)


@lru_cache(maxsize=1 << 15)
def _numbers(side: str) -> tuple[Exact, ...]:
    return tuple(exact(Fraction(each)) for each in re.findall(r"[0-9]+(?:\.[0-9]+)?", side))


def exact(value: Fraction) -> Exact:
    """A whole number as an integer, which is compared much faster."""
    return value.numerator if value.denominator == 1 else value


def equations(text: str, commas_separate: bool = False) -> list[Equation]:
    """All equations of ``text``, in order. ``commas_separate``: a comma between digits never groups thousands, as in puzzles' lists."""
    plain = text.translate(_SPELLING)
    for written, spelt in _COMMANDS:
        plain = plain.replace(written, spelt)
    plain = _TIMES.sub("*", plain)
    if not commas_separate:
        plain = _THOUSANDS.sub(lambda found: found[0].replace(",", "").ljust(len(found[0])), plain)
    runs = (run for run in _RUN.finditer(plain) if "=" in run[0])
    return [found for run in runs for found in _of_run(plain, run.start(), run.end(), commas_separate)]


def _of_run(text: str, start: int, end: int, stops: bool) -> Iterator[Equation]:
    """The equations of a run of numbers, operators and equals signs: one for each two neighbouring sides."""
    sides = text[start:end].split("=")
    left, at = "" if _is_part(text, start, sides[0], stops) else sides[0], start
    place = start + len(sides[0]) + 1
    for index, written in enumerate(sides[1:], start=1):
        side = written if index < len(sides) - 1 else _last(text, end, written)
        right, following, skipped = _right_side(left, side, stops)
        if (found := _equation(left, right, at, place + len(right))) is not None:
            yield found
        left, at = following, place + skipped
        place += len(written) + 1


def _is_part(text: str, start: int, side: str, stops: bool) -> bool:
    """True if the first side of a run continues something before it. ``stops``: a dot before it ends a sentence."""
    before = text[max(0, start - 24) : start]
    joined = bool(before) and not side[:1].isspace() and (_JOINED_BEFORE.match(before[-1]) or (before[-1] == "." and not stops))
    return bool(joined) or side.lstrip()[:1] in ("+", "-") or _PART_BEFORE.search(before) is not None


def _last(text: str, end: int, side: str) -> str:
    """The last side of a run without a dash behind it; empty if it goes on after the run."""
    bare = side.rstrip(" \t")
    if bare.endswith(("+", "*", "/", "(")) or _JOINED_AFTER.match(text, end):
        return ""
    return bare.rstrip("- \t") if _NUMBER.fullmatch(bare.rstrip("- \t").lstrip()) or not bare.endswith("-") else ""


def _right_side(left: str, side: str, stops: bool) -> tuple[str, str, int]:
    """The right side of ``left = side``, what the next equation begins with, and how many characters of ``side`` come before that.

    ``stops``: where no reading is true, a dot between digits ends a sentence.
    """
    first = _FIRST.match(side)
    if first is None or first.end() == len(side) or _value(left.strip()) is None or _holds(left, side):
        return side, side, 0
    whole, places, space = first.groups()
    rest = side[first.end() :]
    if space and rest[:1] not in ("+", "-", "*", "/", ")"):  # 3+5=8 8*2=16
        return side[: first.end()], rest, first.end()
    number = f"{whole}.{places}" if places else whole
    if places and not _holds(left, number) and (stops or _holds(left, whole)):  # a full stop: 5/1=5.8*3=24
        cut = side.index(".") + 1
        return whole, side[cut:], cut
    return (number, side, 0) if _holds(left, number) else (side, side, 0)


def _holds(left: str, right: str) -> bool:
    first, second = _value(left.strip()), _value(right.strip())
    return first is not None and first == second


def _equation(left: str, right: str, start: int, end: int) -> Equation | None:
    left, right = _opened(left.strip()), _closed(right.strip())
    if not _calculates(left):
        left, right = right, left
    value, claimed = _value(left), _value(right)
    if not _calculates(left) or value is None or claimed is None:
        return None
    places = len(right.partition(".")[2]) if _NUMBER.fullmatch(right) else 0
    allowed = max(Fraction(1, 2 * 10**places), _NOISE * abs(value) if places >= _MANY_PLACES else 0) if places else 0
    return Equation(start, end, "".join(left.split()), claimed, abs(value - claimed) <= allowed)


def _calculates(side: str) -> bool:
    return any(operator in side[1:] for operator in "+-*/")


def _opened(side: str) -> str:
    """Without the parentheses at its beginning that are closed behind the equation."""
    more = side.count("(") - side.count(")")
    return side[min(more, len(side) - len(side.lstrip("("))) :] if more > 0 else side


def _closed(side: str) -> str:
    """Without the parentheses at its end that were opened before the equation."""
    more = side.count(")") - side.count("(")
    return side[: len(side) - min(more, len(side) - len(side.rstrip(")")))] if more > 0 else side


def _value(side: str) -> Fraction | None:
    """The exact value; ``None`` if there is none, or it is outside the grammar or its bounds."""
    return _evaluated(side) if len(side) <= MAX_LENGTH else None


@lru_cache(maxsize=1 << 15)
def _evaluated(side: str) -> Fraction | None:
    if _NUMBER.fullmatch(side):
        return Fraction(side)
    spelt = _DECIMAL.sub(_as_fraction, f"0{side}" if side.startswith("-") else side)
    try:
        return parse_expression(spelt.replace("(-", "(0-")).value
    except (NotAnExpression, ZeroDivisionError):
        return None


def _as_fraction(decimal: re.Match[str]) -> str:
    whole, places = decimal.groups()
    return f"({(whole + places).lstrip('0') or '0'}/1{'0' * len(places)})"
