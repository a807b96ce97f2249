"""A file of programming problems: ``{"limits": {...}, "problems": {name: {...}}}``.

A problem has ``mode`` (``stdio``, ``function`` or ``assert``), ``entry``, and ``cases`` or, for ``assert``, ``tests``. A case is
``{"stdin", "stdout"}`` or ``{"args", "returns"}``. The limits are ``cpu_s``, ``wall_s``, ``memory_mib`` and ``stdout_mib`` of a case,
and ``total_s`` for all cases of a program (by default 1.8 times ``wall_s``, so that a program cannot sleep through every case).

``{ORACLE}`` in an expected value is replaced by a random answer for each program. Such a problem cannot be solved, so a pass is forged or
stolen.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dunwu.errors import DataError
from dunwu.tasks.asserts import assert_tests, literal
from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests, ProgrammingLanguage
from dunwu.tasks.near_names import near_name

ORACLE = "{ORACLE}"
_OPTIONS = ("checker", "checker_program", "tolerance", "preamble")
_LIMITS = ("cpu_s", "wall_s", "memory_mib", "stdout_mib", "total_s")


def new_oracle() -> str:
    """A random answer that cannot be guessed."""
    return f"SBX-ORACLE-{secrets.token_hex(16)}"


class ProblemFile:
    """The problems of a file, by name. Raises DataError if the file is invalid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"not JSON ({error})"
            raise DataError(f"{path}: {reason}: give a file of problems") from error
        problems = content.get("problems") if isinstance(content, dict) else None
        if not isinstance(problems, dict) or not problems:
            raise DataError(f'{path}: no problems: give a JSON object with "problems", an object with at least one problem by name')
        self.content: dict[str, Any] = content
        self._problems = problems
        self._limits = content.get("limits") or {}
        _refuse_unknown(f"{path}, limits", self._limits)
        for name in problems:
            self.tests(name)
            _refuse_misspelt(f"{path}, problem {name!r}", problems[name], _OPTIONS)

    @property
    def names(self) -> list[str]:
        """The names of all problems."""
        return list(self._problems)

    def tests(self, name: str, programming_language: ProgrammingLanguage = "python") -> CodeTests:
        """The tests of a problem, with a new oracle. Raises DataError for an unknown or malformed problem."""
        if name not in self._problems:
            raise DataError(f"{self.path}: no problem {name!r}: it has {', '.join(self.names)}")
        try:
            return _tests(self._problems[name], _limits(self._limits), new_oracle(), programming_language)
        except ValidationError as error:
            raise DataError(f"{self.path}, problem {name!r}: {error.errors()[0]['msg']}: correct it") from error
        except (ValueError, SyntaxError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise DataError(f"{self.path}, problem {name!r}: {type(error).__name__} {error}: correct it") from error


def _refuse_misspelt(where: str, given: Any, known: tuple[str, ...]) -> None:
    if isinstance(given, dict) and (found := near_name(frozenset(given), known)):
        raise DataError(f"{where}: unknown key {found[0]}: did you mean {found[1]}? If it is something else, rename it")


def _refuse_unknown(where: str, given: Any) -> None:
    if isinstance(given, dict) and (unknown := next((name for name in given if name not in _LIMITS), None)):
        near = near_name(frozenset({unknown}), _LIMITS)
        remedy = f"did you mean {near[1]}?" if near else f"the keys are {', '.join(_LIMITS)}"
        raise DataError(f"{where}: unknown key {unknown}: {remedy}")


def _limits(given: Mapping[str, Any]) -> CodeLimits:
    defaults = CodeLimits()
    wall = given.get("wall_s", defaults.wall_seconds)
    return CodeLimits(
        cpu_seconds=given.get("cpu_s", defaults.cpu_seconds),
        wall_seconds=wall,
        memory_mib=given.get("memory_mib", defaults.memory_mib),
        output_kib=int(1024 * given.get("stdout_mib", defaults.output_kib / 1024)),
        total_seconds=given.get("total_s", 1.8 * wall),
    )


def _tests(problem: Mapping[str, Any], limits: CodeLimits, oracle: str, programming_language: ProgrammingLanguage) -> CodeTests:
    mode, entry = problem["mode"], problem.get("entry", "")
    if mode == "assert":
        return assert_tests(problem["tests"].replace(ORACLE, oracle), entry, problem.get("preamble", ""), limits)
    return CodeTests(
        mode=mode,
        entry=entry,
        programming_language=programming_language if mode == "stdio" else "python",
        cases=tuple(_case(mode, case, oracle) for case in problem["cases"]),
        limits=limits,
        **{key: problem[key] for key in _OPTIONS if key in problem},
    )


def _case(mode: str, case: Mapping[str, Any], oracle: str) -> Case:
    if mode == "stdio":
        return Case(input=case["stdin"], expected=case["stdout"].replace(ORACLE, oracle))
    arguments = (tuple(case["args"]), dict(case.get("kwargs", {})))
    return Case(input=literal(arguments), expected=literal(_with_oracle(case["returns"], oracle)))


def _with_oracle(value: Any, oracle: str) -> Any:
    if isinstance(value, str):
        return value.replace(ORACLE, oracle)
    if isinstance(value, list):
        return [_with_oracle(item, oracle) for item in value]
    if isinstance(value, dict):
        return {key: _with_oracle(item, oracle) for key, item in value.items()}
    return value
