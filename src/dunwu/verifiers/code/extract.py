"""The program in an answer: the last fenced block that is a program, else the whole answer. Never parses or runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dunwu.tasks.code_tests import CodeTests, ProgrammingLanguage
from dunwu.verifiers.code.prelude import before

MAX_ANSWER = 256 * 1024
MAX_PROGRAM = 64 * 1024
"""In characters; a longer answer or program is not read."""

_FENCE = re.compile(r"^(?P<margin>[ \t>]*+(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]++)?+)(?P<marks>```++|~~~++)(?P<info>[^\n]*+)$", re.MULTILINE)
_TAG = re.compile(r"[ \t{.]*+([\w+#-]*+)")
_TAGS: dict[ProgrammingLanguage, frozenset[str]] = {
    "python": frozenset({"python", "python3", "py", "py3"}),
    "cpp": frozenset({"cpp", "c++", "cc", "cxx", "cpp17", "cpp20", "c++17", "c++20"}),
}
_QUOTED = re.compile(r"^[ \t]*+(?:>[ ]?)++")
_LIKE_A_PROGRAM: dict[ProgrammingLanguage, re.Pattern[str]] = {
    "python": re.compile(r"^[ \t]*(?:import|from|def|class|for|while|if|with|try|print|return)\b|=", re.MULTILINE),
    "cpp": re.compile(r"#include|\bmain\b"),
}
_TABS = re.compile(r"^[ \t]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its tag in lower case (empty if it has none) and its text."""

    tag: str
    text: str


def fenced_blocks(text: str) -> list[Block]:
    """All fenced blocks in order, including those in lists and quotations; a block that is never closed ends with the text."""
    blocks: list[Block] = []
    opened: re.Match[str] | None = None
    for mark in _FENCE.finditer(text):
        if opened is None:
            if mark["marks"][0] == "~" or "`" not in mark["info"]:
                opened = mark
        elif _closes(mark, opened):
            blocks.append(_block(opened, text[opened.end() : mark.start()]))
            opened = None
    return blocks if opened is None else [*blocks, _block(opened, text[opened.end() :])]


def _closes(mark: re.Match[str], opened: re.Match[str]) -> bool:
    """The same marks, at least as many, nothing after them, and not indented much further: deeper marks belong to the program."""
    same = mark["marks"][0] == opened["marks"][0] and len(mark["marks"]) >= len(opened["marks"])
    return same and not mark["info"].strip() and _width(mark["margin"]) <= _width(opened["margin"]) + 3


def _moved(line: str, cut: int) -> str:
    """``line`` dedented by at most ``cut`` columns."""
    text = line.lstrip()
    return " " * max(0, _width(line[: len(line) - len(text)]) - cut) + text if text else line


def _width(margin: str) -> int:
    return len(margin.expandtabs(4))


def _block(opened: re.Match[str], content: str) -> Block:
    """The block without the margin of its list or quotation, and without indentation that all lines share."""
    lines = content.removeprefix("\n").split("\n")
    if ">" in opened["margin"]:
        lines = [_QUOTED.sub("", line) for line in lines]
    indents = [_width(line[: len(line) - len(line.lstrip())]) for line in lines if line.strip()]
    margin = _width(_QUOTED.sub("", opened["margin"]))
    common = min(indents, default=0)
    cut = margin if indents and common < margin <= indents[0] else common
    lines = [_moved(line, cut) for line in lines] if cut else lines
    return Block(_TAG.match(opened["info"])[1].lower(), "\n".join(lines))  # type: ignore[index]


def extract_program(answer: str, tests: CodeTests) -> str | None:
    """The program in ``answer``, after the problem's preamble; ``None`` if there is none or it is too long."""
    if len(answer) > MAX_ANSWER:
        return None
    blocks = fenced_blocks(answer)
    text = _best(blocks, tests) if blocks else answer
    if text is None or not text.strip() or len(text) > MAX_PROGRAM:
        return None
    return with_preamble(text, tests)


def _best(blocks: list[Block], tests: CodeTests) -> str | None:
    """The last block that defines the entry, else the last tagged with the language, else the last untagged one like a program."""
    tags, like_a_program = _TAGS[tests.programming_language], _LIKE_A_PROGRAM[tests.programming_language]
    tagged = [block.text for block in blocks if block.tag in tags]
    untagged = [block.text for block in blocks if not block.tag and like_a_program.search(block.text)]
    defining = [text for text in untagged + tagged if tests.entry and _defines(text, tests.entry)]
    found = defining or tagged or untagged
    return found[-1] if found else None


def _defines(text: str, entry: str) -> bool:
    """``def entry``, ``entry = ...`` or ``class Solution`` at the start of a line."""
    return (
        re.search(rf"^(?:(?:async[ \t]+)?def[ \t]+{entry}\b|{entry}[ \t]*(?::[^=\n]*)?=(?!=)|class[ \t]+Solution\b)", text, re.MULTILINE)
        is not None
    )


def with_preamble(text: str, tests: CodeTests) -> str:
    """The preamble, then ``text``: a program that defines the entry itself, or the body of the function that the preamble opens."""
    if not tests.preamble:
        return text
    preamble = tests.preamble.rstrip("\n") + "\n"
    if tests.entry is None or _defines(text, tests.entry) or not _defines(preamble, tests.entry):
        return before(preamble, text)
    return preamble + indented_body(text)


def indented_body(text: str) -> str:
    """A function's body, indented by at least one level.

    Completions lose the first line's indentation, and chat models write bodies flush left.
    """
    lines = _TABS.sub(lambda margin: margin[0].expandtabs(4), text.strip("\n")).split("\n")
    later = [_indentation(line) for line in lines[1:] if line.strip()]
    if _indentation(lines[0]) or not lines[0].strip():
        return "\n".join(lines)
    opens = lines[0].split("#")[0].rstrip().endswith(":")
    stripped = bool(later) and min(later) >= 4 and (not opens or later[0] > 4)
    if stripped:
        return "\n".join(["    " + lines[0], *lines[1:]])
    return "\n".join("    " + line for line in lines)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
