"""Rows of LiveCodeBench (arXiv 2403.07974): programs that read standard input, and functions to complete.

Its hidden cases are a pickled text, packed. It is read opcode by opcode and never unpickled: a pickle may run anything.
"""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import zlib
from collections.abc import Mapping
from typing import Any

from dunwu.tasks.code_tests import Case, CodeLimits, CodeTests

COLUMNS = frozenset({"question_content", "public_test_cases"})
MOST_BYTES = 1 << 28
"""Of the hidden cases of a problem, unpacked."""
_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_AROUND = ("PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "STOP")
_LEVELS = {"easy": 1.0, "medium": 2.0, "hard": 3.0}


def statement(columns: Mapping[str, Any]) -> str:
    """The problem, and what to write: the starter code completed, or a program."""
    asked = str(columns["question_content"]).strip()
    if starter := str(columns.get("starter_code") or "").strip():
        return (
            f"{asked}\n\nComplete this Python code. Inside <answer> </answer> put all of it in one fenced code block.\n"
            f"```python\n{starter}\n```"
        )
    return (
        f"{asked}\n\nWrite a Python 3 program that reads standard input and prints the answer. "
        "Inside <answer> </answer> put the program in one fenced code block."
    )


def tests(columns: Mapping[str, Any], limits: CodeLimits, most: int) -> CodeTests | None:
    """At most ``most`` cases, the public ones first; ``None`` without any. Raises `ValueError` or `KeyError` for what is no such row."""
    public, hidden = _cases(columns["public_test_cases"]), _cases(columns.get("private_test_cases"))
    given = [*((each, True) for each in public), *((each, False) for each in hidden)][:most]
    if not given:
        return None
    name = json.loads(columns.get("metadata") or "{}").get("func_name")
    if name is None:
        return CodeTests(mode="stdio", cases=tuple(_run(each, shown) for each, shown in given), limits=limits)
    return CodeTests(mode="function", entry=str(name), cases=tuple(_call(each, shown) for each, shown in given), limits=limits)


def level(columns: Mapping[str, Any]) -> float | None:
    """1 for easy, 2 for medium, 3 for hard."""
    return _LEVELS.get(str(columns.get("difficulty")))


def _run(case: Mapping[str, str], public: bool) -> Case:
    return Case(input=case["input"], expected=case["output"], public=public)


def _call(case: Mapping[str, str], public: bool) -> Case:
    """A case of a function: one JSON value a line is one argument."""
    arguments = tuple(json.loads(line) for line in case["input"].split("\n") if line.strip())
    return Case(input=repr((arguments, {})), expected=repr(json.loads(case["output"])), public=public)


def _cases(packed: Any) -> list[Mapping[str, str]]:
    """The cases in a JSON text, or in one that is pickled, packed and written in base64; a list is taken as it is."""
    if not packed:
        return []
    cases = packed if isinstance(packed, list) else json.loads(packed if str(packed).lstrip().startswith("[") else _unpacked(str(packed)))
    if not isinstance(cases, list):
        raise ValueError("test cases that are no list")
    return cases


def _unpacked(packed: str) -> str:
    try:
        unpacker = zlib.decompressobj()
        pickled = unpacker.decompress(base64.b64decode(packed, validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"test cases that cannot be unpacked ({error})") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"test cases of more than {MOST_BYTES:,} bytes")
    found = list(pickletools.genops(pickled))
    texts = [value for opcode, value, _ in found if opcode.name in _TEXTS]
    if len(texts) != 1 or any(opcode.name not in (*_TEXTS, *_AROUND) for opcode, _, _ in found):
        raise ValueError("test cases that are pickled as something else than a text")
    return str(texts[0])
