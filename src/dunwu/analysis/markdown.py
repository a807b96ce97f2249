"""Markdown of facts and texts that anybody may have written: names, settings, completions. None of it becomes markup."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from dunwu.analysis.text import visible

LONGEST = 160
"""Characters of a value in a table."""


def fence(text: str, language: str = "text") -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    shown = visible(text)
    marks = "`" * max(3, _longest_run(shown) + 1)
    return f"{marks}{language}\n{shown}\n{marks}"


def code(value: Any) -> str:
    """A value as inline code on one line; long ones are cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = visible(" ".join(text.split()))
    line = line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."
    marks = "`" * (_longest_run(line) + 1)
    space = " " if not line or line[0] in "` " or line[-1] in "` " else ""
    return f"{marks}{space}{line}{space}{marks}"


def prose(text: str) -> str:
    """A text on one line, in which nothing is markup."""
    line = visible(" ".join(text.split()))
    return html.escape(re.sub(r"([\\`*_{}\[\]()#~!])", r"\\\1", line), quote=False)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown; empty without rows. A table splits at bars, also in code, unless they are escaped."""
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]) if body else ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
