"""What a program is judged by: the schema of ``Problem.data`` where the verifier is ``code``.

Values of functions are written as Python literals (``"([1, 2], 'a')"``), which keep the tuples, sets and integer keys that JSON loses;
they are read with `ast.literal_eval`, which runs nothing.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from dunwu.config.base import Config
from dunwu.types import Problem

_LONG_NUMBER = re.compile(r"[0-9]{4301,}")
_CHUNK = 4000

ProgrammingLanguage = Literal["python", "cpp"]
Mode = Literal["stdio", "function", "assert"]
TextCheckerName = Literal["exact", "tokens", "floats", "caseless", "unordered_lines", "any_of"]
ValueCheckerName = Literal["equal", "lists", "set", "unordered", "any_of", "true", "false"]


class Case(Config):
    """One input and what is expected for it."""

    input: str
    """stdio: standard input; function: the literal ``(args, kwargs)``, such as ``"((3, 4), {})"``."""
    expected: str
    """stdio: standard output; function: the returned value as a literal."""
    public: bool = False
    """Shown to the model; the others are hidden. All must be right."""
    checker: TextCheckerName | ValueCheckerName | None = None
    """Instead of the problem's checker."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """Instead of the problem's tolerance."""


class CodeLimits(Config):
    """What a program may use; for one case, except ``total_seconds``."""

    cpu_seconds: Annotated[float, Field(gt=0)] = 2.0
    wall_seconds: Annotated[float, Field(gt=0)] = 4.0
    memory_mib: Annotated[int, Field(gt=0)] = 512
    output_kib: Annotated[int, Field(gt=0)] = 1024
    total_seconds: Annotated[float, Field(gt=0)] = 10.0
    """For all cases of one program together, on the clock."""


class CodeTests(Config):
    """How a program is run and when it is right.

    ``stdio``: the program reads a case's input and prints. ``function``: its function ``entry`` (or the method of ``Solution``) is called.
    ``assert``: ``tests`` is Python source that calls ``entry``; it runs apart from the program, which sees arguments only, unless
    ``forgeable``.
    """

    mode: Mode
    programming_language: ProgrammingLanguage = "python"
    entry: str | None = None
    cases: tuple[Case, ...] = ()
    tests: str = ""
    preamble: str = ""
    """Python that belongs before the program: imports, helpers, and the signature that a completion goes on from."""
    checker: TextCheckerName | ValueCheckerName | None = None
    """Tables in `dunwu.verifiers.code.compare`; ``None``: ``tokens`` for text, for values ``lists`` (as ``equal``, and a tuple
    stands for a list)."""
    checker_program: str | None = None
    """stdio with many right answers: trusted Python with ``check(input, expected, output) -> bool``, run as a program of its own."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """Numbers ``a`` and expected ``b`` are equal when ``|a - b| <= tolerance * max(1, |b|)``."""
    limits: CodeLimits = CodeLimits()
    forgeable: bool = False
    """The tests can only run beside the program, where it can forge a pass: for evaluation, never for rewards."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        function = self.mode != "stdio"
        known: tuple[str | None, ...] = (None, *get_args(ValueCheckerName if function else TextCheckerName))
        odd = next((checker for checker in (self.checker, *(case.checker for case in self.cases)) if checker not in known), None)
        mistakes = {
            "a problem without cases passes every program": self.mode != "assert" and not self.cases,
            "tests without an assert pass every program": self.mode == "assert" and "assert" not in self.tests,
            f"entry is {self.entry!r}: name the function to call": function and not (self.entry or "").isidentifier(),
            f"checker {odd!r} is not for mode {self.mode}: choose {', '.join(filter(None, known))}": odd is not None,
            "functions are called in Python only": function and self.programming_language != "python",
            "checker programs are for stdio": function and self.checker_program is not None,
            "only assert tests are forgeable": self.mode != "assert" and self.forgeable,
        }
        for mistake, made in mistakes.items():
            if made:
                raise ValueError(mistake)
        return self

    def to_data(self) -> dict[str, Any]:
        """JSON-able, for ``Problem.data``; what has its default is left out, ``forgeable`` excepted."""
        return {**self.model_dump(mode="json", exclude_defaults=True), "forgeable": self.forgeable}

    @classmethod
    def from_data(cls, data: Any) -> CodeTests:
        """Of ``Problem.data``; raises `ValueError` with the first mistake where it is malformed."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            said = first["msg"].removeprefix("Value error, ")
            raise ValueError(": ".join(filter(None, (".".join(map(str, first["loc"])), said)))) from None


def read_literal(text: str) -> Any:
    """The plain value that ``text`` is, with integers of any length, of which Python by itself reads 4,300 digits. Raises as
    `ast.literal_eval`."""
    return ast.literal_eval(_with_hexadecimals(text) if _LONG_NUMBER.search(text) else text)


def _with_hexadecimals(text: str) -> str:
    try:
        tokens = [(token.type, token.string) for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    except tokenize.TokenError as error:
        raise SyntaxError(str(error)) from error
    number = tokenize.NUMBER
    return tokenize.untokenize((kind, _hexadecimal(word) if kind == number and word.isdecimal() else word) for kind, word in tokens)


def _hexadecimal(digits: str) -> str:
    value = 0
    for start in range(0, len(digits), _CHUNK):
        chunk = digits[start : start + _CHUNK]
        value = value * 10 ** len(chunk) + int(chunk)
    return hex(value)


def program_seconds(problem: Problem) -> float:
    """Seconds that the tests of a program for ``problem`` may take together; 0 where no program is verified."""
    if problem.verifier != "code":
        return 0.0
    try:
        return CodeLimits.model_validate(problem.data.get("limits", {})).total_seconds
    except ValidationError:
        return CodeLimits().total_seconds  # the verifier reports what is wrong with the problem
