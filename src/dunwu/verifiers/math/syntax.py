r"""Parse one mathematical expression into a tree. The parser is our own, so that sympy never sees text that a model wrote.

Grammar: decimals, ``1e-5``, letters (each a symbol, with subscripts and primes), Greek commands, ``+ - * /``, implied products, powers,
``\frac``, ``\sqrt[n]{}``, ``\binom``, ``n!``, ``|x|``, floor and ceiling, elementary functions with and without parentheses, mixed numbers
(``2\frac{1}{2}``), degrees. ``f(2)`` and ``I(0)``, a letter applied to a single number or letter, are names.

Deliberately not in the grammar: sums, products, integrals and limits (repeating the question is not an answer), macros, two
numbers side by side, and words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from string import ascii_lowercase

from dunwu.verifiers.math.text import FUNCTIONS

MAX_DEPTH = 50
MAX_TOKENS = 300
"""Final answers have fewer than a hundred; longer ones are padding."""
MAX_EXPONENT_10 = 1000
_MARK_COMMANDS = "angle triangle overline vec hat bar tilde widehat overrightarrow arc odot mathcal mathbf"
MARKS = frozenset(_MARK_COMMANDS.split())
"""Commands that make a name of the letters after them: ``\\angle ABC`` is not a product."""
_SYMBOL_COMMANDS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi varphi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar infty emptyset "
    "mathbbR mathbbZ mathbbN mathbbQ mathbbC"
)
SYMBOLS = frozenset(_SYMBOL_COMMANDS.split())
_NAMES = FUNCTIONS | {"pi", "theta"}
_PLAIN_NAMES = "|".join(sorted(_NAMES, key=len, reverse=True))
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4}(?![0-9.]))?)"
    rf"|\\(?P<command>[A-Za-z]+)|(?<![A-Za-z\\])(?P<plain>{_PLAIN_NAMES})(?![A-Za-z])|(?P<letter>[A-Za-z])|(?P<mark>[-+*/^_!'|°()\[\]{{}}]))"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_RUN = re.compile(r"[A-Za-z]{3,}")
_NO_RUN = re.compile(rf"\\(?:{'|'.join(sorted(MARKS))})\s*\{{?\s*[A-Z]+|\\[A-Za-z]+")
_VOWEL = re.compile("[aeiouAEIOU]")


class Unreadable(ValueError):
    """The text is outside the grammar; the message says why."""


class TooLarge(ValueError):
    """The expression, or a number in it, exceeds a bound."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str


@dataclass(frozen=True, slots=True)
class Sum:
    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product:
    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Power:
    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one or two arguments; ``log`` is ``(argument, base)``, ``root`` is ``(argument, degree)``."""

    name: str
    arguments: tuple[Node, ...]


Node = Number | Symbol | Sum | Product | Power | Call
MINUS_ONE, PI = Number(Fraction(-1)), Symbol("pi")


def parse(text: str) -> Node:
    """The expression that the cleaned ``text`` states; raises `Unreadable` or `TooLarge`."""
    parser = _Parser(_tokenise(text))
    node = parser.sum()
    if parser.kind != "end":
        raise Unreadable(f"unexpected {parser.peek()!r}")
    return node


def negate(node: Node) -> Node:
    return Number(-node.value) if isinstance(node, Number) else Product((MINUS_ONE, node))


def _tokenise(text: str) -> list[tuple[str, str]]:
    for run in _RUN.findall(_NO_RUN.sub(" ", text)):
        product = "".join(sorted(run.lower())) in ascii_lowercase or not _VOWEL.search(run)  # abc, xyz, pqr
        if run not in _NAMES and not product:
            raise Unreadable(f"the word {run[:20]!r}")
    tokens: list[tuple[str, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(f"unexpected {text[position : position + 12].strip()!r}")
        kind = match.lastgroup or ""
        tokens.append(("command" if kind == "plain" else kind, match.group(kind)))
        position = match.end()
        if len(tokens) > MAX_TOKENS:
            raise TooLarge(f"more than {MAX_TOKENS} symbols")
    return tokens


class _Parser:
    """Recursive descent, at most `MAX_DEPTH` deep."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.in_function = 0
        self.bars = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else "end"

    def peek(self, ahead: int = 0) -> str:
        """The token ahead, as text; commands without their backslash."""
        place = self.position + ahead
        return self.tokens[place][1] if place < len(self.tokens) else "the end"

    def at(self, mark: str) -> bool:
        return self.kind == "mark" and self.peek() == mark

    def take(self, mark: str) -> bool:
        """Consume ``mark`` and return true if it is next."""
        found = self.at(mark)
        self.position += found
        return found

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise Unreadable(f"{mark!r} is missing before {self.peek()!r}")

    def sum(self) -> Node:
        terms = [self.product()]
        while self.at("+") or self.at("-"):
            negative = self.take("-") or not self.take("+")
            term = self.product()
            terms.append(negate(term) if negative else term)
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def product(self) -> Node:
        factors = [self.signed()]
        while True:
            if self.take("*"):
                factors.append(self.signed())
            elif self.take("/"):
                factors.append(Power(self.signed(), MINUS_ONE))
            elif self.begins_factor():
                factors.append(self.power())
            else:
                return factors[0] if len(factors) == 1 else Product(tuple(factors))

    def begins_factor(self) -> bool:
        """True if an implied product continues. A number continues it only after a factorial: ``3!6!`` is a product, ``2 3`` is not."""
        if self.kind == "number":
            return self.position > 0 and self.peek(-1) == "!"
        if self.kind == "mark":
            return (self.peek() in "([{" and not (self.at("{") and self.peek(-1) == "}")) or (self.peek() == "|" and not self.bars)
        return self.kind == "letter" or (self.kind == "command" and self.peek() not in ("rfloor", "rceil"))

    def signed(self) -> Node:
        negative = False
        if self.at("-") or self.at("+"):
            negative = self.take("-") or not self.take("+")
        node = self.power()
        return negate(node) if negative else node

    def power(self) -> Node:
        node = self.atom()
        while True:
            if self.take("!"):
                if self.at("!"):
                    raise Unreadable("a double factorial")
                node = Call("factorial", (node,))
            elif self.take("°"):
                node = Product((node, PI, Number(Fraction(1, 180)))) if self.in_function else node
            elif self.take("^"):
                node = Power(node, self.argument(whole_number=True))
                if self.at("^"):
                    raise Unreadable("a double superscript")
            else:
                return node

    def argument(self, whole_number: bool = False) -> Node:
        """The argument of a command without parentheses: a group or one token (only a number's first digit, unless ``whole_number``)."""
        if self.at("{"):
            return self.group("{")
        if whole_number and (self.at("-") or self.at("+")):
            return self.signed()
        if self.kind == "number" and not whole_number and len(self.peek()) > 1 and self.peek()[0].isdigit():
            digits = self.peek()
            self.tokens[self.position] = ("number", digits[1:])
            return Number(Fraction(digits[0]))
        return self.atom()

    def group(self, opening: str) -> Node:
        self.expect(opening)
        bars, self.bars = self.bars, 0
        node = self.sum()
        self.bars = bars
        self.expect(_CLOSING[opening])
        return node

    def atom(self) -> Node:
        """An operand; all recursion passes through this method."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLarge(f"nested deeper than {MAX_DEPTH}")
        node = self.unguarded_atom()
        self.depth -= 1
        return node

    def unguarded_atom(self) -> Node:
        kind, text = self.kind, self.peek()
        if kind == "number":
            self.position += 1
            return self.mixed(_number(text))
        if kind == "letter":
            self.position += 1
            return self.symbol(text)
        if kind == "command":
            self.position += 1
            return self.command(text)
        if text in _CLOSING and kind == "mark":
            return self.group(text)
        if self.take("|"):
            self.bars += 1
            node = Call("abs", (self.sum(),))
            self.expect("|")
            self.bars -= 1
            return node
        raise Unreadable(f"something is missing before {text!r}")

    def mixed(self, whole: Fraction) -> Node:
        r"""``2\frac{1}{2}`` is 2.5: a whole number before a proper fraction of whole numbers."""
        if whole.denominator != 1 or self.kind != "command" or self.peek() != "frac":
            return Number(whole)
        start = self.position
        self.position += 1
        numerator, denominator = self.argument(), self.argument()
        if isinstance(numerator, Number) and isinstance(denominator, Number) and 0 < numerator.value < denominator.value:
            return Number(whole + numerator.value / denominator.value)
        self.position = start
        return Number(whole)

    def symbol(self, name: str) -> Node:
        """A letter with its primes and subscript; a letter applied to a single number or letter is a name too."""
        while self.take("'"):
            name += "'"
        if self.take("_"):
            name += f"_{self.subscript(self.take('{'))}"
        single = self.tokens[self.position + 1 : self.position + 2]
        if (
            self.at("(")
            and self.peek(2) == ")"
            and single[0][0] in ("number", "letter")
            and (single[0][0] == "number" or name in "fghFGHPQ")
        ):
            name += f"({single[0][1]})"
            self.position += 3
        return Symbol(name)

    def subscript(self, braced: bool) -> str:
        """The tokens up to a closing brace, or the next one."""
        if not braced:
            self.position += 1
            return self.peek(-1)
        parts = []
        while not self.take("}"):
            if self.kind == "end":
                raise Unreadable("a subscript is not closed")
            parts.append(self.peek())
            self.position += 1
        return "".join(parts)

    def command(self, name: str) -> Node:
        if name == "frac":
            return Product((self.argument(), Power(self.argument(), MINUS_ONE)))
        if name == "sqrt":
            degree = self.group("[") if self.at("[") else Number(Fraction(2))
            return Call("root", (self.group("(") if self.at("(") else self.argument(whole_number=True), degree))
        if name in ("binom", "dbinom", "tbinom"):
            return Call("binom", (self.argument(), self.argument()))
        if name in ("lfloor", "lceil"):
            node = Call("floor" if name == "lfloor" else "ceil", (self.sum(),))
            if self.kind != "command" or self.peek() != f"r{name[1:]}":
                raise Unreadable("a floor or ceiling is not closed")
            self.position += 1
            return node
        if name in FUNCTIONS:
            return self.function(name)
        if name in MARKS:
            return self.marked(name)
        if name == "pi":
            return PI
        if name in SYMBOLS:
            return self.symbol(f"\\{name}")
        raise Unreadable(f"the command {name[:20]!r}")

    def marked(self, name: str) -> Node:
        r"""``\angle ABC`` (the same as ``\angle CBA``), ``\overline{AB}``, ``\vec{a}``: a symbol of that name."""
        letters = ""
        if self.at("{"):
            letters = self.subscript(self.take("{"))
        else:
            while self.kind in ("letter", "number") and (not letters or name in ("angle", "triangle")):
                letters += self.peek()
                self.position += 1
        if not letters:
            raise Unreadable(f"nothing after \\{name}")
        return self.symbol(f"\\{name} {min(letters, letters[::-1]) if name == 'angle' else letters}")

    def function(self, name: str) -> Node:
        exponent = base = None
        for _ in range(2):
            if self.take("_"):
                base = self.argument(whole_number=True)
            elif self.take("^"):
                exponent = self.argument(whole_number=True)
        self.in_function += 1
        argument = self.group(self.peek()) if self.at("(") or self.at("{") or self.at("[") else self.bare_argument()
        self.in_function -= 1
        if exponent == MINUS_ONE:
            return Call(f"arc{name}", (argument,))
        call = _function(name, argument, base)
        return Power(call, exponent) if exponent is not None else call

    def bare_argument(self) -> Node:
        r"""The argument of ``\sin 2x``: a product up to the next operator, function or parenthesis."""
        factors = [self.power()]
        while self.kind == "letter" or (self.kind == "command" and self.peek() not in FUNCTIONS - {"sqrt"} and self.begins_factor()):
            factors.append(self.power())
        if self.at("/") and self.position + 1 < len(self.tokens) and self.tokens[self.position + 1][0] in ("number", "letter"):
            self.position += 1
            factors.append(Power(self.power(), MINUS_ONE))
        return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _function(name: str, argument: Node, base: Node | None) -> Node:
    if name == "exp":
        return Power(Symbol("e"), argument)
    if name in ("log", "ln", "lg"):
        natural = base is None and name != "lg"
        return Call("log", (argument, Symbol("e") if natural else base or Number(Fraction(10))))
    if name.startswith(("arc", "ar")):
        return Call("arc" + name.removeprefix("arc").removeprefix("ar"), (argument,))
    return Call("arc" + name[1:] if name in ("asin", "acos", "atan") else name, (argument,))


def _number(text: str) -> Fraction:
    mantissa, _, exponent = text.lower().partition("e")
    if not mantissa.strip("."):  # the rest of ``1e5`` or ``1.`` after a command that takes one digit
        raise Unreadable("a number without digits")
    if exponent and abs(int(exponent)) > MAX_EXPONENT_10:
        raise TooLarge("an exponent of ten above 1000")
    return Fraction(mantissa.rstrip(".") if mantissa.endswith(".") else mantissa) * Fraction(10) ** int(exponent or 0)
