r"""The values that answers state: a number or expression, words, an equation or inequality, a collection of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from dunwu.verifiers.math.form import Form, normal_form
from dunwu.verifiers.math.forms import Tagged
from dunwu.verifiers.math.sentence import changes
from dunwu.verifiers.math.syntax import Call, Node, Power, Product, Sum, Symbol, negate

DIVISION_BY_ZERO = "division by zero"
_NAME = re.compile(r"\\?[A-Za-z][A-Za-z_{}()'\\ ,|]*")
_OPERATORS = "Var|Cov|Corr|SD|lcm|LCM|gcd|GCD|HCF|hcf|det|dim|rank|tr|deg|[Aa]rea|[Vv]ol(?:ume)?"
_APPLIED = re.compile(
    rf"(?:\\?[A-Za-z]{{1,4}}|\\mathbb[PE]\s*|‹\s*(?:{_OPERATORS})\s*›)"
    r"(?:_\{?\w{1,8}\}?)?'{0,3}\s*[(\[][^()\[\]]*(?:\([^()]*\)[^()\[\]]*)*[)\]]"
)
"""``P(X=2)``, ``f'(3)``, ``E[X^2]``, ``‹lcm›(4,6)``."""
_NORM = re.compile(r"\\(?:\||[lr]Vert)\s*(?:\\vec\s*)?\{?[A-Za-z](?:_\{?\w{1,4}\}?)?\}?\s*\\(?:\||[lr]Vert)")
_LONG_SUM = re.compile(
    r"\\(?:(?:sum|prod|lim|limsup|liminf)(?![A-Za-z])[^-+]*|(?:int|iint|iiint|oint)(?![A-Za-z]).*d\s?(?:[a-zA-Z]|\\theta)\s*)"
)
_BRACED = re.compile(r"\{[^{}]*\}|\([^()]*\)")


@dataclass(frozen=True)
class Scalar:
    """One expression with its normal form; both are ``None`` if the text is outside the grammar, too large or without a value."""

    text: str
    node: Node | None = None
    form: Form | None = None
    percent: bool = False
    unit: str = ""
    problem: str = ""
    """Why there is no node."""


@dataclass(frozen=True)
class Words:
    """A text answer."""

    text: str


@dataclass(frozen=True)
class Relation:
    """``sides[0] signs[0] sides[1] ...`` with signs from ``= < > ≤ ≥ ≠ ≈``. A label is the left side of an equation."""

    sides: tuple[Value, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """``kind``: list, set, tuple, union, minus, matrix, determinant. ``brackets``: of a tuple, such as ``"(]"``, or the link of a list,
    ``⋁`` or ``⋀``. ``columns``: of a matrix."""

    kind: str
    items: tuple[Value, ...]
    brackets: str = ""
    columns: int = 0
    variable: str = field(default="", compare=False)


Value = Scalar | Words | Relation | Collection | Tagged


_INFINITY = Symbol("\\infty")
INFINITIES = tuple(Scalar(text, node, normal_form(node)) for text, node in (("-\\infty", negate(_INFINITY)), ("\\infty", _INFINITY)))


def infinite(value: Value) -> int:
    """1 or -1 for plus or minus infinity, otherwise 0."""
    forms = [infinity.form for infinity in INFINITIES]
    return 2 * forms.index(value.form) - 1 if isinstance(value, Scalar) and value.form in forms else 0


def is_name(value: Value) -> bool:
    """True if ``value`` can be the left-hand side of ``x = 5``: a symbol, a name such as ``AB``, ``P(A)`` or ``P(X=2)``, words."""
    if isinstance(value, Words):
        return not changes(re.sub(r"(?<![A-Za-z'])[A-Za-z](?![A-Za-z'])|[0-9]", " ", value.text), "")
    if not isinstance(value, Scalar):
        return isinstance(value, Collection) and value.kind == "tuple" and all(map(is_name, value.items))
    if value.node is None:
        return _reads_as_name(value.text) and not changes(_bare_words(value.text), "")
    return all(symbol not in ("pi", "i", "\\infty") for symbol in symbols(value.node)) and _only_symbols(value.node)


def _reads_as_name(text: str) -> bool:
    r"""A name, a function of something, a norm, or a whole sum, product, limit or integral (not ``2\int_0^1 x dx - 1``)."""
    bare = text
    for _ in range(4):
        bare = _BRACED.sub(" ", bare)
    forms = _NAME.fullmatch(text), _APPLIED.fullmatch(text), _NORM.fullmatch(text), _LONG_SUM.fullmatch(bare)
    return any(forms)


def is_quantity(value: Value) -> bool:
    """True if ``value = 5`` can state the requested value: ``m+n``, ``a^2+b^2``, ``|a-b|``, ``a/b``, but not an affine ``2x``."""
    if not isinstance(value, Scalar) or value.node is None or value.form is None:
        return False
    names = set(symbols(value.node)) - {"pi", "i", "e", "\\infty"}
    return bool(names) and solve(value) is None


def _bare_words(text: str) -> str:
    return re.sub(r"(?<![A-Za-z'])[A-Za-z](?![A-Za-z'])|[0-9]|\\[A-Za-z]+", " ", text)


def name_of(value: Value) -> str:
    """The name for comparison: letters and digits only."""
    if isinstance(value, Collection):
        return ",".join(map(name_of, value.items))
    return re.sub(r"[\s{}\\‹›]", "", value.text) if isinstance(value, Scalar | Words) else ""


def _only_symbols(node: Node) -> bool:
    if isinstance(node, Product):
        return all(map(_only_symbols, node.factors))
    return isinstance(node, Symbol) or (isinstance(node, Call) and node.name == "abs" and _only_symbols(node.arguments[0]))


def symbols(node: Node) -> Iterator[str]:
    """The names of all symbols in ``node``."""
    match node:
        case Symbol(name):
            yield name
        case Sum(children) | Product(children) | Call(_, children):
            for child in children:
                yield from symbols(child)
        case Power(base, exponent):
            yield from symbols(base)
            yield from symbols(exponent)


def solve(value: Value) -> tuple[Scalar, Fraction, Form] | None:
    """``(x, a, b)`` of a value ``a x + b`` in one letter, with rational ``a``."""
    if not isinstance(value, Scalar) or value.form is None or not value.form.exact:
        return None
    linear = [(m, c) for m, c in value.form.terms.items() if any(name not in ("pi", "e") for name, _ in m[1])]
    if len(linear) != 1:
        return None
    (radicand, powers), factor = linear[0]
    if radicand != 1 or len(powers) != 1 or powers[0][1] != 1 or powers[0][0] == "\\infty":
        return None
    rest = Form({m: c for m, c in value.form.terms.items() if m != linear[0][0]})
    name = powers[0][0]
    return Scalar(name, Symbol(name), normal_form(Symbol(name))), factor, rest


def times(scalar: Scalar, factor: Node) -> Scalar:
    """The product; an unread scalar stays unread."""
    if scalar.node is None:
        return scalar
    node = Product((scalar.node, factor))
    return replace(scalar, node=node, form=normal_form(node))


def unread(value: Value) -> list[Scalar]:
    """The expressions of ``value`` that are outside the grammar."""
    if isinstance(value, Scalar):
        return [value] if value.node is None else []
    items = value.items if isinstance(value, Collection) else value.sides if isinstance(value, Relation) else ()
    items = items[1:] if isinstance(value, Relation) and is_name(items[0]) else items
    return [scalar for item in items for scalar in unread(item)]
