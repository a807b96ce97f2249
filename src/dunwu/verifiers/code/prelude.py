"""The imports that function judges such as LeetCode put before a program, and that answers to their problems omit.

They are one line, so a traceback is off by one. `typing` comes first and builtins last, since other modules define ``Counter`` or ``pow``
too. All modules are loaded before a case runs (`dunwu.sandbox.inside.server`), so the imports cost almost nothing.
"""

from __future__ import annotations

import re

_MODULES = (
    "array, bisect, collections, copy, datetime, fractions, functools, heapq, io, itertools, json, math, operator, random, re, statistics, "
    "string, sys, time"
)
_NAMES = ("typing", "string", "re", "bisect", "collections", "heapq", "itertools", "functools", "math", "operator", "builtins")
PRELUDE = "; ".join([*(f"from {module} import *" for module in _NAMES), "from copy import deepcopy", f"import {_MODULES}"])
_FUTURE = re.compile(r"^from __future__ import .*\n?", re.MULTILINE)


def with_prelude(source: str) -> str:
    """``source`` after the usual imports, with its own ``__future__`` imports first."""
    return before(PRELUDE, source)


def before(start: str, source: str) -> str:
    """``start`` on a line before ``source``, whose ``__future__`` imports must come before everything else."""
    futures = "".join(line if line.endswith("\n") else f"{line}\n" for line in _FUTURE.findall(source))
    return f"{futures}{start}\n{_FUTURE.sub('', source) if futures else source}"
