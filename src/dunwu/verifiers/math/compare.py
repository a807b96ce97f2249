"""Compare two values, from their structure down to single expressions, whose comparison is a parameter.

The result is true, false, or ``None`` if an expression could not be decided (`exact_equal` leaves some to the worker process).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise, product

from dunwu.verifiers.math.form import difference, scaled
from dunwu.verifiers.math.forms import Tagged, same_sides, same_time
from dunwu.verifiers.math.labels import by_letter, labels, named_items, partners
from dunwu.verifiers.math.numeric import differ
from dunwu.verifiers.math.policy import MathPolicy
from dunwu.verifiers.math.sentence import contradict
from dunwu.verifiers.math.sets import ends, place, real_set, same_ends
from dunwu.verifiers.math.syntax import PI, Number, Product, Sum, negate
from dunwu.verifiers.math.text import closed_up
from dunwu.verifiers.math.units import angle, unit_scale
from dunwu.verifiers.math.values import Collection, Relation, Scalar, Value, Words, infinite, is_name, is_quantity, name_of, symbols, times
from dunwu.verifiers.math.words import words_key

Equal = bool | None
Decide = Callable[[Scalar, Scalar], Equal]
_MIRRORED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}
_COORDINATES = frozenset({"x", "y", "z", "t", "r", "\\theta", "\\rho", "\\phi"})
_DECIMAL = re.compile(r"-?[0-9,]+(?:\.[0-9]+)?")
_ORDERED = re.compile(r"\b(?:order|ascending|descending)\b|\bfrom\s+(?:least|smallest|lowest|greatest|largest|highest)\b")
_PROPER = re.compile("[A-Z][a-z]+")
_FUNCTION = re.compile(r"[fghFGH]\([a-z]\)")
HUNDREDTH = Fraction(1, 100)


def exact_equal(gold: Scalar, found: Scalar) -> Equal:
    """Compare normal forms, then values at a few points; ``None`` if values agree but forms do not. Unread texts are compared as text."""
    if gold.form is None or found.form is None:
        return gold.form is found.form and same_text(gold, found)
    if gold.form.terms == found.form.terms:
        return True
    if gold.form.exact and found.form.exact:
        return False
    assert gold.node is not None
    assert found.node is not None
    return False if differ(gold.node, found.node) else None


def same_text(gold: Scalar, found: Scalar) -> bool:
    """Equal apart from braces, and from spaces that do not separate numbers."""
    return _bare(gold.text) == _bare(found.text) != ""


def _bare(text: str) -> str:
    return closed_up(text.replace("{", " ").replace("}", " "))


def _any(verdicts: Iterable[Equal]) -> Equal:
    """Kleene's disjunction; stops at the first true value."""
    undecided = False
    for verdict in verdicts:
        if verdict:
            return True
        undecided |= verdict is None
    return None if undecided else False


class Comparison:
    """Compares values under a policy; ``decide`` compares a pair of expressions (gold first)."""

    def __init__(self, policy: MathPolicy, decide: Decide = exact_equal) -> None:
        self._policy = policy
        self._decide = decide

    def equal(self, gold: Value, found: Value) -> Equal:
        """True if ``found`` equals ``gold``; ``None`` if undecided."""
        if isinstance(gold, Tagged) or isinstance(found, Tagged):
            return self._tagged(gold, found)
        if isinstance(gold, Relation) or isinstance(found, Relation):
            return _any(self._with_relation(*pair) for pair in product(self._meanings(gold), self._meanings(found))) or self._sets(
                gold, found
            )
        gold, found = _unwrapped(gold, found), _unwrapped(found, gold)
        if isinstance(gold, Words) and isinstance(found, Collection) and gold.text.isupper():
            return gold.text == "".join(map(_text, found.items))
        if isinstance(gold, Words) or isinstance(found, Words):
            return words_key(_text(gold)) == words_key(_text(found)) != ()
        if isinstance(gold, Scalar) and isinstance(found, Scalar):
            return self._scalars(gold, found)
        if isinstance(gold, Collection) and isinstance(found, Collection):
            if {gold.kind, found.kind} != {"set"} and (sets := self._sets(gold, found)) is not False:
                return sets
            return False if _linked_apart(gold, found) else self._collections(gold, found)
        return False

    def _tagged(self, gold: Value, found: Value) -> bool:
        """Special notations: both sides must use the same, or, for some, one side its equivalent in another notation."""
        if isinstance(gold, Tagged) and isinstance(found, Tagged):
            if gold.kind == found.kind == "clock":
                return same_time(gold, found)
            if gold.kind == found.kind == "dimensions":
                return same_sides(gold, found)
            if {gold.kind, found.kind} == {"ratio", "clock ratio"}:
                return gold.key == found.key
            return gold.kind == found.kind and gold.key == found.key and (gold.kind != "clock ratio" or len(gold.key) > 2)
        tag, other = (gold, found) if isinstance(gold, Tagged) else (found, gold)
        assert isinstance(tag, Tagged)
        match tag.kind, other:
            case "based", Scalar(text=text):
                return tag is gold and self._policy.base and text.casefold() == tag.text.casefold() != ""
            case "quantity", Scalar():
                return _as_quantity(other) == tag.key
            case "sequence", Collection("list" | "tuple" | "set", items):
                return tag.key == tuple(map(_rational, items))
            case "grid", Collection("matrix", items, columns=columns):
                flat = tuple(value for row in tag.key if isinstance(row, tuple) for value in row)
                return flat == tuple(map(_rational, items)) and len(flat) == len(tag.key) * columns
        return False

    def _meanings(self, value: Value) -> tuple[Value, ...]:
        """``5 = x`` reversed; a true chain (``2 * 4 = 8``, ``x = 2 * 4 = 8``, ``x = 1/3 ≈ 0.33``) as its last exact side or a
        decimal near it, with its name; any other value unchanged."""
        if not isinstance(value, Relation) or not set(value.signs) <= {"=", "≈"}:
            return (value,)
        sides, signs = value.sides, value.signs
        if len(sides) == 2 and (is_name(sides[1]) or is_quantity(sides[1])) and not (is_name(sides[0]) or is_quantity(sides[0])):
            sides = sides[::-1]
        named = is_name(sides[0]) or (len(sides) > 2 and is_quantity(sides[0]) and not self._certain(sides[0], sides[1]))
        values, links = sides[named:], signs[named:]
        if links == ("≈",) and _near(values[1], values[0]):
            return tuple(Relation((sides[0], one), ("=",)) for one in values) if named else values
        exact = links.index("≈") if "≈" in links else len(links)
        if any(self.equal(values[exact], side) is False for side in values[:exact]):
            return (Relation(sides, signs),)
        if not all(_near(values[exact], side) for side in values[exact + 1 :]):
            return (Relation(sides, signs),)
        stated = tuple(named_items(sides[0], one) if named else one for one in values[exact:])
        return tuple(Relation((sides[0], one), ("=",)) for one in stated) if named else stated

    def _certain(self, one: Value, other: Value) -> bool:
        return self.equal(one, other) is True

    def _with_relation(self, gold: Value, found: Value) -> Equal:
        if isinstance(gold, Relation) and isinstance(found, Relation):
            return self._relations(gold, found)
        if isinstance(gold, Relation):
            return self.equal(gold.sides[1], found) if self._may_drop(gold, is_gold=True) else False
        if isinstance(found, Relation):
            return self.equal(gold, found.sides[1]) if self._may_drop(found, is_gold=False) else False
        return self.equal(gold, found)

    def _may_drop(self, relation: Relation, is_gold: bool) -> bool:
        """True if the right-hand side alone says the same. It does not if the gold is the equation of a curve."""
        left, right = relation.sides[0], relation.sides[-1]
        if not self._policy.prefix or relation.signs != ("=",):
            return False
        if is_name(left):
            return True
        if not is_quantity(left) or not isinstance(left, Scalar) or left.node is None:
            return False
        names = set(symbols(left.node))
        if not isinstance(right, Scalar) or right.node is None or names & set(symbols(right.node)):
            return False
        return not (is_gold and (names & _COORDINATES or right.form is None or not right.form.terms))

    def _sets(self, gold: Value, found: Value) -> Equal:
        """Compare as sets of reals, if both sides state one."""
        expected, present = real_set(gold), real_set(found)
        if expected is None or present is None or len(expected.pieces) != len(present.pieces):
            return False
        if expected.variable and present.variable and expected.variable != present.variable:
            return False
        return self._all(ends(expected, present)) if same_ends(expected, present) else False

    def _relations(self, gold: Relation, found: Relation) -> Equal:
        if len(gold.signs) != 1 or len(found.signs) != 1:
            return gold.signs == found.signs and self._all(zip(gold.sides, found.sides, strict=True))
        if gold.signs == found.signs == ("=",) and is_name(gold.sides[0]) and is_name(found.sides[0]):
            names = name_of(gold.sides[0]), name_of(found.sides[0])
            functions = sorted(names)[1] == "y" and _FUNCTION.fullmatch(sorted(names)[0])
            if all(isinstance(side, Words) and _PROPER.fullmatch(side.text.strip(": ")) for side in (gold.sides[0], found.sides[0])):
                return names[0] == names[1] and self.equal(gold.sides[1], found.sides[1])
            same_name = names[0] == names[1] or functions or Words in (type(gold.sides[0]), type(found.sides[0]))
            if same_name:
                return self.equal(gold.sides[1], found.sides[1])
        left, right = _difference(gold), _difference(found)
        if not {*gold.signs, *found.signs} <= _MIRRORED.keys():
            return False
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
        if contradict(gold.unit, found.unit):
            return False
        if {angle(gold.unit), angle(found.unit)} == {"degrees", "radians"}:
            return self._decide(_in_radians(gold), _in_radians(found))
        scales = unit_scale(gold.unit), unit_scale(found.unit)
        if scales[0] and scales[1] and scales[0] != scales[1] and scales[0][0] == scales[1][0]:
            return self._decide(times(gold, Number(scales[0][1])), times(found, Number(scales[1][1])))
        if scales[0] and scales[1] and scales[0][0] != scales[1][0]:
            return False
        equal = self._decide(gold, found)
        if equal is not True and gold.percent != found.percent:
            equal = self._percent(gold, found)
        elif equal is True and gold.percent != found.percent:
            equal = self._policy.percent == "either" or (gold.form is not None and not gold.form.terms)
        if equal is False and (angle(gold.unit) == "degrees") != (angle(found.unit) == "degrees"):
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
        if kinds == {"matrix", "tuple"}:
            return self._vectors(gold, found)
        if len(gold.items) != len(found.items):
            return False
        if kinds == {"tuple"}:
            named_apart = gold.variable and found.variable and gold.variable != found.variable
            return gold.brackets == found.brackets and not named_apart and self._all(pairs)
        if kinds <= {"matrix"} or kinds == {"determinant"}:
            return gold.columns == found.columns and self._all(pairs)
        if kinds == {"list", "tuple"}:
            if "()" not in (gold.brackets, found.brackets) or any(map(infinite, gold.items)):
                return False
            return self._all(zip(gold.items, by_letter(found), strict=True)) if gold.kind == "tuple" else self._all(pairs)
        if kinds == {"list"}:
            return self._lists(gold, found)
        return self._any_order(gold.items, found.items) if kinds == {"list", "set"} or kinds in ({"set"}, {"union"}) else False

    def _lists(self, gold: Collection, found: Collection) -> Equal:
        """By label if both have labels, in order if only the gold has them or a sequence continues, otherwise in any order."""
        if self._policy.ordered:
            return self._all(zip(gold.items, found.items, strict=True))
        expected, present = labels(gold), labels(found)
        if expected and present:
            places = partners(expected, present)
            return self._all((item, found.items[place]) for item, place in zip(gold.items, places, strict=True)) if places else False
        if expected or any(_text(item) == "…" for item in gold.items) or _positional(gold):
            return self._all(zip(gold.items, found.items, strict=True))
        return self._any_order(gold.items, found.items)

    def _vectors(self, gold: Collection, found: Collection) -> Equal:
        """A column or row compared with a tuple, or a matrix with a tuple of rows."""
        matrix, other = (gold, found) if gold.kind == "matrix" else (found, gold)
        items = other.items
        if all(isinstance(item, Collection) and item.kind == "tuple" and len(item.items) == matrix.columns for item in items):
            items = tuple(cell for item in items if isinstance(item, Collection) for cell in item.items)
        elif 1 not in (matrix.columns, len(matrix.items) // matrix.columns):
            return False
        if len(items) != len(matrix.items):
            return False
        return self._all(zip(matrix.items, items, strict=True) if matrix is gold else zip(items, matrix.items, strict=True))

    def _all(self, pairs: Iterable[tuple[Value, Value]]) -> Equal:
        """Kleene's conjunction; stops at the first false value."""
        undecided = False
        for gold, found in pairs:
            equal = self._member(gold, found)
            if equal is False:
                return False
            undecided |= equal is None
        return None if undecided else True

    def _member(self, gold: Value, found: Value) -> Equal:
        """Compare items of a collection: there a set of one item is not that item (``{1, {2}}`` is not ``{1, 2}``)."""
        nested = {isinstance(value, Collection) and value.kind == "set" for value in (gold, found)}
        if nested == {True, False} and not any(isinstance(value, Relation) for value in (gold, found)):
            return False
        return self.equal(gold, found)

    def _any_order(self, golds: Sequence[Value], founds: Sequence[Value]) -> Equal:
        """Match each gold item with its own partner: certain partners first, since equality is transitive, then undecided ones."""
        left, rest = [], list(founds)
        for gold in golds:
            place = next((place for place, found in enumerate(rest) if self._member(gold, found) is True), None)
            if place is None:
                left.append(gold)
            else:
                rest.pop(place)
        for gold in left:
            place = next((place for place, found in enumerate(rest) if self._member(gold, found) is None), None)
            if place is None:
                return False
            rest.pop(place)
        return None if left else True


def _unwrapped(value: Value, other: Value) -> Value:
    """The item of a collection of one, if the other side is a single value."""
    if isinstance(value, Collection) and len(value.items) == 1 and not isinstance(other, Collection) and value.kind in ("list", "set"):
        return value.items[0]
    return value


def _text(value: Value) -> str:
    return value.text if isinstance(value, Scalar | Words) else ""


def _unit(scalar: Scalar) -> str:
    return "%" if scalar.percent else " ".join(words_key(scalar.unit))


def _in_radians(scalar: Scalar) -> Scalar:
    return times(scalar, Product((PI, Number(Fraction(1, 180))))) if angle(scalar.unit) == "degrees" else scalar


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
    """True if ``found`` is within half a unit of the gold's last decimal."""
    digits = gold.text.partition(".")[2]
    values = [form.rational if (form := scalar.form) is not None else None for scalar in (gold, found)]
    if not digits.isdigit() or values[0] is None or values[1] is None:
        return False
    return abs(values[0] - values[1]) <= Fraction(1, 2 * 10 ** len(digits))


def _rational(value: Value) -> Fraction | None:
    return value.form.rational if isinstance(value, Scalar) and value.form is not None else None


def _as_quantity(scalar: Scalar) -> tuple[str, Fraction] | None:
    scale, value = unit_scale(scalar.unit), _rational(scalar)
    return (scale[0], scale[1] * value) if scale is not None and value is not None else None


def _near(exact: Value, decimal: Value) -> bool:
    """True if ``decimal``, a plain number, is less than one unit of its last digit from ``exact``."""
    value = _rational(decimal)
    if value is None or not isinstance(exact, Scalar) or not isinstance(decimal, Scalar) or exact.node is None:
        return False
    if not _DECIMAL.fullmatch(decimal.text):
        return False
    unit, where = 10.0 ** -len(decimal.text.partition(".")[2]), place(exact)
    return where is not None and abs(where - float(value)) < unit * (1 - 1e-9)


def _positional(gold: Collection) -> bool:
    """True if the order matters: words that exclude each other (``true, false``) answer one question each, or the text names an order."""
    if any(_ORDERED.search(item.unit) for item in gold.items if isinstance(item, Scalar)):
        return True
    return any(contradict(_text(one), _text(other)) for one, other in pairwise(gold.items))


def _linked_apart(gold: Collection, found: Collection) -> bool:
    """True if one side links its conditions by *or* and the other by *and*."""
    return {gold.brackets, found.brackets} == {"⋁", "⋀"} and any(isinstance(item, Collection) and item.variable for item in gold.items)
