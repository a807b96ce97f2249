r"""Where formulas are in Markdown: ``$..$``, ``$$..$$``, ``\(..\)``, ``\[..\]`` and a bare ``\boxed{..}``, as rules of markdown-it.

A single dollar is maths only as pandoc has it, so that "$5 and $6" stays a price: no white space inside the dollars, no digit after them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from dunwu.serving.page.bounds import LONGEST_FORMULA, check_time

_BOX = r"\boxed{"
_PAIRS = (("$$", "$$", True), (r"\[", r"\]", True), (r"\(", r"\)", False))
_AT_END = re.compile(r"[ \t]*(\n|$)")
_CLOSING_DOLLAR = re.compile(r"(?<![\s\\])\$(?!\d)")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula's LaTeX, and where it ends in the text, its delimiters included."""

    latex: str
    display: bool
    end: int


def add_maths(markdown: MarkdownIt) -> None:
    """Tokens ``maths`` and ``maths_block`` with ``meta["display"]``, and the whole formula with its delimiters in ``markup``."""
    markdown.inline.ruler.before("escape", "maths", _inline)
    markdown.block.ruler.before("fence", "maths_block", _block, {"alt": ["paragraph", "blockquote", "list"]})


def formula_at(text: str, at: int, most: int) -> Formula | None:
    """The formula that begins at ``at`` and ends before ``most``."""
    most = min(most, at + LONGEST_FORMULA)
    for opening, closing, display in _PAIRS:
        if text.startswith(opening, at):
            end = text.find(closing, at + 2, most)
            latex = text[at + 2 : end].strip() if end >= 0 else ""
            return Formula(latex, display, end + 2) if latex else None
    if text.startswith(_BOX, at):
        return _box_at(text, at, most)
    return _in_dollars(text, at, most) if text.startswith("$", at) else None


def _in_dollars(text: str, at: int, most: int) -> Formula | None:
    if text[at + 1 : at + 2].isspace():
        return None
    found = _CLOSING_DOLLAR.search(text, at + 2, most)
    return Formula(text[at + 1 : found.start()], False, found.end()) if found else None


def _box_at(text: str, at: int, most: int) -> Formula | None:
    depth = 0
    for place in range(at + len(_BOX) - 1, most):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return Formula(text[at : place + 1], False, place + 1)
    return None


def _inline(state: StateInline, silent: bool) -> bool:
    found = formula_at(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("maths", "", 0)
        token.content, token.markup, token.meta = found.latex, state.src[state.pos : found.end], {"display": found.display}
    state.pos = found.end
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A displayed formula on lines of its own, which may hold what would otherwise begin a list or a heading."""
    check_time(state.env)
    begin = state.bMarks[start] + state.tShift[start]
    pair = next((pair for pair in _PAIRS[:2] if state.src.startswith(pair[0], begin)), None)
    if pair is None or state.is_code_block(start):
        return False
    close = state.src.find(pair[1], begin + 2, begin + LONGEST_FORMULA)
    if close < 0 or not _AT_END.match(state.src, close + 2):
        return False
    last = _line_of(state, close, start, end)
    source = "" if last is None else state.getLines(start, last + 1, state.blkIndent, False).strip()
    if last is None or not source[2:-2].strip():
        return False
    if not silent:
        token = state.push("maths_block", "", 0)
        token.content, token.markup, token.meta = source[2:-2].strip(), source, {"display": True}
        token.block, token.map = True, [start, last + 1]
    state.line = last + 1
    return True


def _line_of(state: StateBlock, place: int, start: int, end: int) -> int | None:
    """The line of a place in the text, unless the quote or list ends before it."""
    for line in range(start, end):
        if line > start and not state.isEmpty(line) and state.sCount[line] < state.blkIndent:
            return None
        if place < state.eMarks[line]:
            return line
    return None
