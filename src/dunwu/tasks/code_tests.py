"""The tests of a program: the schema of ``Problem.data`` for the verifier ``code``.

Arguments and returned values are Python literals (``"([1, 2], 'a')"``), which preserve the tuples, sets and integer keys that JSON lacks.
They are read with `ast.literal_eval`, which runs nothing.
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
    """One input and the expected output."""

    input: str
    """stdio: standard input; function: the literal ``(args, kwargs)``, such as ``"((3, 4), {})"``."""
    expected: str
    """stdio: standard output; function: the return value as a literal."""
    public: bool = False
    """True if the model sees the case. All cases must pass, hidden ones included."""
    checker: TextCheckerName | ValueCheckerName | None = None
    """Overrides the problem's checker."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """Overrides the problem's tolerance."""


class CodeLimits(Config):
    """Limits of a program, per case except for ``total_seconds``."""

    cpu_seconds: Annotated[float, Field(gt=0)] = 2.0
    wall_seconds: Annotated[float, Field(gt=0)] = 4.0
    memory_mib: Annotated[int, Field(gt=0)] = 512
    output_kib: Annotated[int, Field(gt=0)] = 1024
    total_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Wall time of all cases of one program together."""


class CodeTests(Config):
    """How a program is run and when it is correct.

    ``stdio``: the program reads a case's input and prints. ``function``: its function ``entry`` (or the method of ``Solution``) is called.
    ``assert``: ``tests`` is Python source that calls ``entry``; unless ``forgeable``, it runs in a separate process, and the program sees
    only the arguments.
    """

    mode: Mode
    programming_language: ProgrammingLanguage = "python"
    entry: str | None = None
    cases: tuple[Case, ...] = ()
    tests: str = ""
    preamble: str = ""
    """Python to put before the program: imports, helpers, and the signature that a completion continues."""
    checker: TextCheckerName | ValueCheckerName | None = None
    """Name in the tables of `dunwu.verifiers.code.compare`; ``None``: ``tokens`` for text, ``lists`` for values (as ``equal``, but tuples
    equal lists)."""
    checker_program: str | None = None
    """For stdio problems with many right answers: trusted Python with ``check(input, expected, output) -> bool``, run as a program."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """Numbers ``a`` and expected ``b`` are equal when ``|a - b| <= tolerance * max(1, |b|)``."""
    limits: CodeLimits = CodeLimits()
    forgeable: bool = False
    """The tests must run in the program's process, where it can forge a pass: only for evaluation, never for rewards."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
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
        """The JSON form for ``Problem.data``; defaults are omitted, except ``forgeable``."""
        return {**self.model_dump(mode="json", exclude_defaults=True), "forgeable": self.forgeable}

    @classmethod
    def from_data(cls, data: Any) -> CodeTests:
        """The tests in ``Problem.data``. Raises `ValueError` with the first mistake if it is malformed."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            said = first["msg"].removeprefix("Value error, ")
            raise ValueError(": ".join(filter(None, (".".join(map(str, first["loc"])), said)))) from None


def read_literal(text: str) -> Any:
    """The value of a literal, with integers of any length (Python's own limit is 4,300 digits). Raises as `ast.literal_eval`."""
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
    """Seconds that the tests of a program for ``problem`` may take in total; 0 if its answer is not a program."""
    if problem.verifier != "code":
        return 0.0
    try:
        return CodeLimits.model_validate(problem.data.get("limits", {})).total_seconds
    except ValidationError:
        return CodeLimits().total_seconds  # the verifier reports what is wrong with the problem
