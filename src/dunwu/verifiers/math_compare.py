"""Do two values agree? Decided from their structure down to single expressions, whose comparison is a parameter.

Three answers: yes, no, and ``None`` where an expression could not be decided here (`exact_equal` leaves some to the worker process).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from dunwu.verifiers.math_form import difference, scaled
from dunwu.verifiers.math_numeric import differ
from dunwu.verifiers.math_policy import MathPolicy
from dunwu.verifiers.math_syntax import PI, Number, Product, Sum, negate
from dunwu.verifiers.math_text import closed_up, words_of
from dunwu.verifiers.math_values import DIVISION_BY_ZERO, Collection, Relation, Scalar, Value, Words, is_name, name_of, times

Equal = bool | None
Decide = Callable[[Scalar, Scalar], Equal]
_MIRRORED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}
HUNDREDTH = Fraction(1, 100)


def exact_equal(gold: Scalar, found: Scalar) -> Equal:
    """By normal form, then by value at a few points; ``None`` where the values agree but the forms do not."""
    if gold.form is None or found.form is None:
        return True if same_text(gold, found) else (None if gold.form is None and found.problem != DIVISION_BY_ZERO else False)
    if gold.form.terms == found.form.terms:
        return True
    if gold.form.exact and found.form.exact:
        return False
    assert gold.node is not None
    assert found.node is not None
    return False if differ(gold.node, found.node) else None


def same_text(gold: Scalar, found: Scalar) -> bool:
    """Equal but for braces and spaces that separate no numbers."""
    return _bare(gold.text) == _bare(found.text) != ""


def _bare(text: str) -> str:
    return closed_up(text.replace("{", " ").replace("}", " "))


class Comparison:
    """Values compared under a policy, ``decide`` being asked about pairs of expressions (gold first)."""

    def __init__(self, policy: MathPolicy, decide: Decide = exact_equal) -> None:
        self._policy = policy
        self._decide = decide

    def equal(self, gold: Value, found: Value) -> Equal:
        """Is ``found`` the value of ``gold``?"""
        if isinstance(gold, Relation) or isinstance(found, Relation):
            return self._with_relation(gold, found)
        gold, found = _unwrapped(gold, found), _unwrapped(found, gold)
        if isinstance(gold, Words) or isinstance(found, Words):
            return words_of(_text(gold)) == words_of(_text(found)) != ""
        if isinstance(gold, Scalar) and isinstance(found, Scalar):
            return self._scalars(gold, found)
        if isinstance(gold, Collection) and isinstance(found, Collection):
            return self._collections(gold, found)
        return False

    def _with_relation(self, gold: Value, found: Value) -> Equal:
        gold, found = self._resolved(gold), self._resolved(found)
        if isinstance(gold, Relation) and isinstance(found, Relation):
            return self._relations(gold, found)
        if isinstance(gold, Relation) or isinstance(found, Relation):
            value, relation = (found, gold) if isinstance(gold, Relation) else (gold, found)
            assert isinstance(relation, Relation)
            if not self._policy.prefix or relation.signs != ("=",) or not is_name(relation.sides[0]):
                return False
            side = relation.sides[1]
            return self.equal(side, value) if relation is gold else self.equal(value, side)
        return self.equal(gold, found)

    def _resolved(self, value: Value) -> Value:
        """``5 = x`` turned round; a true chain (``2 * 4 = 8``, ``x = 2 * 4 = 8``) as its last side, its name kept; else as it is."""
        if not isinstance(value, Relation) or set(value.signs) != {"="}:
            return value
        sides = value.sides
        if len(sides) == 2 and is_name(sides[1]) and not is_name(sides[0]):
            sides = sides[::-1]
        named = is_name(sides[0])
        values = sides[1:] if named else sides
        if not all(self.equal(values[-1], side) for side in values[:-1]):
            return value
        return Relation((sides[0], values[-1]), ("=",)) if named else values[-1]

    def _relations(self, gold: Relation, found: Relation) -> Equal:
        if len(gold.signs) != 1 or len(found.signs) != 1:
            return gold.signs == found.signs and self._all(zip(gold.sides, found.sides, strict=True))
        if gold.signs == found.signs == ("=",) and is_name(gold.sides[0]) and is_name(found.sides[0]):
            same_name = name_of(gold.sides[0]) == name_of(found.sides[0]) or Words in (type(gold.sides[0]), type(found.sides[0]))
            if same_name:
                return self.equal(gold.sides[1], found.sides[1])
        left, right = _difference(gold), _difference(found)
        if left is None or right is None:
            return gold.signs == found.signs and self._all(zip(gold.sides, found.sides, strict=True))
        signs = found.signs[0], _MIRRORED[found.signs[0]]
        if gold.signs[0] not in signs:
            return False
        if gold.signs[0] in "=≠":
            return self._proportional(left, right, any_sign=True)
        return self._proportional(left, right if gold.signs[0] == signs[0] else _negated(right), any_sign=False)

    def _proportional(self, gold: Scalar, found: Scalar, any_sign: bool) -> Equal:
        """Equal up to a constant factor (positive, unless ``any_sign``)."""
        assert gold.form is not None
        assert found.form is not None
        if not gold.form.terms or not found.form.terms:
            return not gold.form.terms and not found.form.terms
        leading = min(gold.form.terms)
        if leading in found.form.terms:
            factor = gold.form.terms[leading] / found.form.terms[leading]
            if (any_sign or factor > 0) and scaled(found.form, factor).terms == gold.form.terms:
                return True
        return False if gold.form.exact and found.form.exact else self._decide(gold, found)

    def _scalars(self, gold: Scalar, found: Scalar) -> Equal:
        if self._policy.units and _unit(gold) != _unit(found):
            return False
        if gold.base != found.base and not (self._policy.base and "" in (gold.base, found.base)):
            return False
        equal = self._decide(gold, found)
        if equal is not True and gold.percent != found.percent:
            equal = self._percent(gold, found)
        elif equal is True and gold.percent != found.percent:
            equal = self._policy.percent == "either" or (gold.form is not None and not gold.form.terms)
        if equal is False and (gold.unit == "°") != (found.unit == "°"):
            equal = self._decide(_in_radians(gold), _in_radians(found))
        if equal is False and self._policy.rounding and not gold.percent and not found.percent:
            return _rounds_to(gold, found)
        return equal

    def _percent(self, gold: Scalar, found: Scalar) -> Equal:
        """The percentage as its hundredth."""
        return self._decide(*(times(value, Number(HUNDREDTH)) if value.percent else value for value in (gold, found)))

    def _collections(self, gold: Collection, found: Collection) -> Equal:
        kinds = {gold.kind, found.kind}
        pairs = zip(gold.items, found.items, strict=False)
        if len(gold.items) != len(found.items):
            return False
        if kinds == {"tuple"}:
            named_apart = gold.variable and found.variable and gold.variable != found.variable
            return gold.brackets == found.brackets and not named_apart and self._all(pairs)
        if kinds == {"matrix"}:
            return gold.columns == found.columns and self._all(pairs)
        if kinds == {"list", "tuple"} or (kinds == {"list"} and self._policy.ordered):
            return self._all(pairs)
        return self._any_order(gold.items, found.items) if kinds <= {"list", "set"} or kinds == {"union"} else False

    def _all(self, pairs: Iterable[tuple[Value, Value]]) -> Equal:
        """Kleene's conjunction; stops at the first no."""
        undecided = False
        for gold, found in pairs:
            equal = self.equal(gold, found)
            if equal is False:
                return False
            undecided |= equal is None
        return None if undecided else True

    def _any_order(self, golds: Sequence[Value], founds: Sequence[Value]) -> Equal:
        """Each gold item has its own partner: certain partners first, as equality is transitive, then undecided ones."""
        left, rest = [], list(founds)
        for gold in golds:
            place = next((place for place, found in enumerate(rest) if self.equal(gold, found) is True), None)
            if place is None:
                left.append(gold)
            else:
                rest.pop(place)
        for gold in left:
            place = next((place for place, found in enumerate(rest) if self.equal(gold, found) is None), None)
            if place is None:
                return False
            rest.pop(place)
        return None if left else True


def _unwrapped(value: Value, other: Value) -> Value:
    """A collection of one as its item, where the other side is a single value."""
    if isinstance(value, Collection) and len(value.items) == 1 and not isinstance(other, Collection) and value.kind in ("list", "set"):
        return value.items[0]
    return value


def _text(value: Value) -> str:
    return value.text if isinstance(value, Scalar | Words) else ""


def _unit(scalar: Scalar) -> str:
    return "%" if scalar.percent else words_of(scalar.unit)


def _in_radians(scalar: Scalar) -> Scalar:
    return times(scalar, Product((PI, Number(Fraction(1, 180))))) if scalar.unit == "°" else scalar


def _difference(relation: Relation) -> Scalar | None:
    """Left-hand side minus right-hand side."""
    left, right = relation.sides
    if not isinstance(left, Scalar) or not isinstance(right, Scalar) or left.form is None or right.form is None:
        return None
    assert left.node is not None
    assert right.node is not None
    return Scalar("", Sum((left.node, negate(right.node))), difference(left.form, right.form))


def _negated(scalar: Scalar) -> Scalar:
    assert scalar.form is not None
    assert scalar.node is not None
    return Scalar("", negate(scalar.node), scaled(scalar.form, Fraction(-1)))


def _rounds_to(gold: Scalar, found: Scalar) -> bool:
    """Is ``found`` within half a unit of the last decimal that the gold is written with?"""
    digits = gold.text.partition(".")[2]
    values = [form.rational if (form := scalar.form) is not None else None for scalar in (gold, found)]
    if not digits.isdigit() or values[0] is None or values[1] is None:
        return False
    return abs(values[0] - values[1]) <= Fraction(1, 2 * 10 ** len(digits))
