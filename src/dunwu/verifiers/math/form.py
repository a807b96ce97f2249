r"""The normal form of an expression: a sum of terms, each a rational coefficient times a square root times powers of symbols.

Square roots of different square-free integers are linearly independent over the rationals, and so are powers of pi and of free symbols:
two forms of only these are equal exactly if the expressions are. Anything else (``cos(2t)``, ``2^x``, ``1/(a+b)``) becomes a symbol of its
own, named after its normal form, and the form is *open*: equal open forms mean equal expressions, unequal ones decide nothing.
Symbols stand for positive reals, so that :math:`\sqrt{p}\sqrt{p} = p`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

from dunwu.verifiers.math.syntax import Call, Node, Number, Power, Product, Sum, Symbol, TooLarge

MAX_BITS = 32_768
"""Of a number; also bounds powers and factorials."""
MAX_TERMS = 200
MAX_PAIRS = 50_000
MAX_POWER = 30
"""Of a sum that is expanded; higher powers stay closed."""
MAX_FACTORIAL = 2500
MAX_NAME = 256
_FACTORED_BELOW = 10**12
HALF = Fraction(1, 2)

Monomial = tuple[int, tuple[tuple[str, Fraction], ...]]
"""A square-free radicand (negative means times i) and the powers of symbols, sorted by name."""
ONE: Monomial = (1, ())


@dataclass(frozen=True, slots=True)
class Form:
    """``terms`` has no zero coefficients; ``exact`` unless a part is known only by name."""

    terms: dict[Monomial, Fraction]
    exact: bool = True

    @property
    def rational(self) -> Fraction | None:
        """The value of a form without roots and symbols, otherwise ``None``."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(ONE) if len(self.terms) == 1 else None

    @property
    def name(self) -> str:
        """A text that equal forms share."""
        parts = (f"{_name(c)}*r{m[0]:x}" + "".join(f"*{s}^{_name(e)}" for s, e in m[1]) for m, c in sorted(self.terms.items()))
        return " + ".join(parts) or "0"


def normal_form(node: Node) -> Form:
    """The normal form of ``node``. Raises `TooLarge`, or `ZeroDivisionError` if the expression has no value."""
    match node:
        case Number(value):
            return constant(value)
        case Symbol(name):
            return Form({(-1, ()): Fraction(1)}) if name == "i" else Form({(1, ((name, Fraction(1)),)): Fraction(1)})
        case Sum(terms):
            return _sum(map(normal_form, terms))
        case Product(factors):
            return _product(map(normal_form, factors))
        case Power(base, exponent):
            return _power(normal_form(base), normal_form(exponent))
        case Call(name, arguments):
            return _call(name, [normal_form(argument) for argument in arguments])


def constant(value: Fraction) -> Form:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise TooLarge(f"a number of more than {MAX_BITS} bits")
    return Form({ONE: value} if value else {})


def difference(left: Form, right: Form) -> Form:
    return _sum(iter((left, scaled(right, Fraction(-1)))))


def _name(value: Fraction) -> str:
    """In hexadecimal, since Python refuses to format very long decimal numbers."""
    return f"{value.numerator:x}/{value.denominator:x}"


def scaled(form: Form, factor: Fraction) -> Form:
    return Form({m: c * factor for m, c in form.terms.items()}, form.exact)


def _opaque(name: str) -> Form:
    """A symbol for a part known only by name; a long name is hashed, since nested names grow with each power."""
    if len(name) > MAX_NAME:
        name = sha256(name.encode()).hexdigest()
    return Form({(1, ((name, Fraction(1)),)): Fraction(1)}, exact=False)


def _sum(forms: Iterator[Form]) -> Form:
    terms: dict[Monomial, Fraction] = {}
    exact = True
    for form in forms:
        exact &= form.exact
        for monomial, coefficient in form.terms.items():
            total = terms.get(monomial, Fraction(0)) + coefficient
            if total:
                terms[monomial] = total
            else:
                terms.pop(monomial, None)
    if len(terms) > MAX_TERMS:
        raise TooLarge(f"more than {MAX_TERMS} terms")
    return Form(terms, exact)


def _product(forms: Iterator[Form]) -> Form:
    result, pairs = constant(Fraction(1)), 1
    for form in forms:
        pairs *= max(len(form.terms), 1)
        if pairs > MAX_PAIRS:
            raise TooLarge(f"a product of more than {MAX_PAIRS} terms before they are collected")
        result = _times(result, form)
    return result


def _times(left: Form, right: Form) -> Form:
    if len(left.terms) * len(right.terms) > MAX_TERMS * 4:
        raise TooLarge(f"more than {MAX_TERMS} terms")
    terms: dict[Monomial, Fraction] = {}
    for a, x in left.terms.items():
        for b, y in right.terms.items():
            monomial, coefficient = _monomial_product(a, b, x * y)
            terms[monomial] = terms.get(monomial, 0) + coefficient
    if len(terms) > MAX_TERMS:
        raise TooLarge(f"more than {MAX_TERMS} terms")
    if any(max(c.numerator.bit_length(), c.denominator.bit_length()) > MAX_BITS for c in terms.values()):
        raise TooLarge(f"a number of more than {MAX_BITS} bits")
    return Form({monomial: c for monomial, c in terms.items() if c}, left.exact and right.exact)


def _monomial_product(left: Monomial, right: Monomial, coefficient: Fraction) -> tuple[Monomial, Fraction]:
    if left == ONE or right == ONE:
        return (right if left == ONE else left), coefficient
    common = math.gcd(left[0], right[0])
    radicand = abs(left[0] // common) * abs(right[0] // common)
    if left[0] < 0 and right[0] < 0:
        coefficient = -coefficient
    elif left[0] < 0 or right[0] < 0:
        radicand = -radicand
    if not (left[1] and right[1]):
        return (radicand, left[1] or right[1]), coefficient * common
    powers = dict(left[1])
    for name, exponent in right[1]:
        powers[name] = powers.get(name, Fraction(0)) + exponent
    return (radicand, tuple(sorted((name, exponent) for name, exponent in powers.items() if exponent))), coefficient * common


def _inverse(form: Form) -> Form:
    """1/form: exact for one term and for sums of square roots (the denominator is rationalised), otherwise a named symbol."""
    if not form.terms:
        raise ZeroDivisionError("division by zero")
    numerator = constant(Fraction(1))
    while len(form.terms) > 1:
        factor = _conjugation(form)
        if factor is None:
            return _times(numerator, _named_inverse(form))
        conjugate = Form({m: -c if _contains(m[0], factor) else c for m, c in form.terms.items()})
        numerator, form = _times(numerator, conjugate), _times(form, conjugate)
    ((radicand, powers), coefficient), *_ = form.terms.items()
    monomial = (radicand, tuple((name, -exponent) for name, exponent in powers))
    return Form(_times(numerator, Form({monomial: 1 / (coefficient * radicand)})).terms, form.exact and numerator.exact)


def _conjugation(form: Form) -> int | None:
    """A factor (or -1, for i) of some radicands of a sum of square roots whose root may change its sign; ``None`` if symbols occur.

    Coprime square-free numbers are independent modulo squares, so no primes are needed: greatest common divisors split the radicands into
    pairwise coprime factors, and each radicand is a product of some of them.
    """
    if any(powers for _, powers in form.terms) or not form.exact or len(form.terms) > 8:
        return None
    radicands = [radicand for radicand, _ in form.terms if radicand != 1]
    if any(radicand < 0 for radicand in radicands):
        return -1
    factor = radicands[0]
    for radicand in radicands[1:]:
        common = math.gcd(factor, radicand)
        factor = common if common > 1 else factor
    return factor


def _contains(radicand: int, factor: int) -> bool:
    return radicand < 0 if factor < 0 else radicand % factor == 0


def _named_inverse(form: Form) -> Form:
    leading = form.terms[min(form.terms)]
    return scaled(_opaque(f"1/({scaled(form, 1 / leading).name})"), 1 / leading)


def _power(base: Form, exponent: Form) -> Form:
    value = exponent.rational
    if value is None:
        return constant(Fraction(1)) if base.rational == 1 else _opaque(f"({base.name})^({exponent.name})")
    if value.denominator == 1:
        return _integer_power(base, value.numerator)
    if value.denominator <= 64 and abs(value.numerator) <= 64:
        return _integer_power(_root(base, value.denominator), value.numerator)
    return _opaque(f"({base.name})^({_name(value)})")


def _integer_power(base: Form, exponent: int) -> Form:
    if exponent < 0:
        return _inverse(_integer_power(base, -exponent))
    if len(base.terms) <= 1:
        return _monomial_power(base, exponent)
    bits = max(c.numerator.bit_length() + c.denominator.bit_length() for c in base.terms.values())
    symbolic = any(powers for _, powers in base.terms)
    if not symbolic and bits * exponent > MAX_BITS:
        raise TooLarge(f"a power of more than {MAX_BITS} bits")
    if exponent > MAX_POWER or (symbolic and math.comb(exponent + len(base.terms) - 1, exponent) > MAX_TERMS):
        return _opaque(f"({base.name})^({exponent:x})")
    result = base
    for _ in range(exponent - 1):
        result = _times(result, base)
    return result if exponent else constant(Fraction(1))


def _monomial_power(base: Form, exponent: int) -> Form:
    if not base.terms:
        return constant(Fraction(int(exponent == 0)))
    (((radicand, powers), coefficient),) = base.terms.items()
    size = max(abs(coefficient.numerator), coefficient.denominator, abs(radicand))
    if size > 1 and exponent > MAX_BITS / math.log2(size):
        raise TooLarge(f"a power of more than {MAX_BITS} bits")
    roots = exponent % 2
    value = coefficient**exponent * Fraction(radicand) ** (exponent // 2)
    raised = tuple((name, e * exponent) for name, e in powers) if exponent else ()
    return Form({(radicand if roots else 1, raised): value}, base.exact)


def _root(form: Form, degree: int) -> Form:
    """The real root if there is one: the cube root of -8 is -2. Square roots of negative numbers are imaginary."""
    value = form.rational
    if value is None and len(form.terms) == 1:
        (((radicand, powers), coefficient),) = form.terms.items()
        if radicand == 1 and all(e.denominator == 1 and e.numerator % 2 for _, e in powers) and coefficient > 0:
            factor = _root(constant(coefficient), degree)
            return _times(factor, Form({(1, tuple((name, e / degree) for name, e in powers)): Fraction(1)}, form.exact))
    if value is None:
        return _opaque(f"root({form.name}, {degree})")
    exact = _exact_root(value, degree)
    if exact is not None:
        return constant(exact)
    inside = value.numerator * value.denominator
    if degree == 2 and abs(inside) < _FACTORED_BELOW:
        square, free = _square_part(abs(inside))
        return Form({(free if inside > 0 else -free, ()): Fraction(square, value.denominator)})
    return _opaque(f"root({_name(value)}, {degree})")


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    if value < 0:
        root = _exact_root(-value, degree) if degree % 2 else None
        return None if root is None else -root
    top, bottom = _integer_root(value.numerator, degree), _integer_root(value.denominator, degree)
    return None if top is None or bottom is None else Fraction(top, bottom)


def _integer_root(value: int, degree: int) -> int | None:
    if degree == 2 or value < 2:
        root = math.isqrt(value)
        return root if root**degree == value else None
    if value.bit_length() > 1024:
        return None
    low, high = 1, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
    return low if low**degree == value else None


def _square_part(value: int) -> tuple[int, int]:
    """``(s, f)`` with ``value == s * s * f`` and ``f`` square-free: trial division up to the cube root, then a test for a square."""
    square, free, prime = 1, 1, 2
    while prime * prime * prime <= value:
        exponent = 0
        while value % prime == 0:
            value //= prime
            exponent += 1
        square, free = square * prime ** (exponent // 2), free * prime ** (exponent % 2)
        prime += 1 if prime == 2 else 2
    root = math.isqrt(value)
    return (square * root, free) if root * root == value else (square, free * value)


def _call(name: str, arguments: list[Form]) -> Form:
    values = [argument.rational for argument in arguments]
    first, second = values[0], values[-1]
    if name == "root":
        if second is None or second.denominator != 1 or not 2 <= second <= 64:
            return _opaque(f"root({arguments[0].name}, {arguments[1].name})")
        return _root(arguments[0], int(second))
    if first is not None:
        if name == "abs":
            return constant(abs(first))
        if name in ("floor", "ceil"):
            return constant(Fraction(math.floor(first) if name == "floor" else math.ceil(first)))
    if name in ("factorial", "binom"):
        return _combinatorial(name, arguments, values)
    return _opaque(f"{name}({', '.join(argument.name for argument in arguments)})")


def _combinatorial(name: str, arguments: list[Form], values: list[Fraction | None]) -> Form:
    integers = [value.numerator for value in values if value is not None and value.denominator == 1 and value >= 0]
    if len(integers) < len(values):
        return _opaque(f"{name}({', '.join(argument.name for argument in arguments)})")
    if max(integers) > MAX_FACTORIAL:
        raise TooLarge(f"{name} of a number above {MAX_FACTORIAL}")
    return constant(Fraction(math.factorial(integers[0]) if name == "factorial" else math.comb(integers[0], integers[1])))
