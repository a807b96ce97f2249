r"""Defines what counts as a word, in any script.

In scripts without spaces (Han, kana, Thai ...) every character is a word. A segmenter would give about 0.6 words per Han character, but
it needs a dictionary, changes with its version, and splits mixed or broken text arbitrarily; measures based on words (shares, n-grams,
minimum counts) need a rule that a person can apply by hand. In other scripts a run of letters is a word; an apostrophe inside a run
joins (``don't`` is one word), a hyphen separates.
"""

from __future__ import annotations

from collections.abc import Sequence

import regex

UNSPACED = ("Han", "Bopomofo", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
_UNSPACED = "".join(rf"\p{{{script}}}" for script in UNSPACED)
TOKEN = regex.compile(
    rf"[{_UNSPACED}][\p{{M}}ー]*+"
    r"|\p{Nd}++(?:[.,]\p{Nd}++)*+(?![\p{L}_])"
    rf"|[[\p{{L}}\p{{N}}_]--[{_UNSPACED}]][[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]*+(?:['’][[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]++)*+",
    regex.VERSION1,
)
# Text that is not prose. Every repetition is bounded or possessive: hostile text costs linear time.
_CODE = regex.compile(r"(?ms)^[ \t]*+(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^[ \t]*+\1[`~]*+[ \t]*+$|\Z)|(?<!`)(`{1,3}+)(?!`).{1,500}?(?<!`)\2(?!`)")
_FORMULA = regex.compile(
    r"(?s)\$\$.{1,4000}?\$\$|\\\[.{1,4000}?\\\]|\\\(.{1,2000}?\\\)|\\begin\{([a-z]{1,20}\*?)\}.{0,4000}?\\end\{\1\}"
    r"|(?<![\\$])\$(?=[^\s$])[^$\n]{0,500}?(?<=[^\s\\])\$(?!\d)"
)
_COMMAND = regex.compile(r"\\[A-Za-z]++\*?(?:\[[^\[\]\n]{0,100}\])?+")
_BRACE = regex.compile(r"\\.|[{}]", regex.DOTALL)
# Addresses and paths are ASCII, plus letters of any script at the start of a part (/中文); after an ASCII letter these are prose again.
_W = "A-Za-z0-9_"
_FOREIGN = r"[[\p{L}\p{M}\p{N}]--[!-~]]++"
_ADDRESS = rf"(?:[!-~]|(?<=[/\\=#?&_.%+~:@-]){_FOREIGN})++"
_PART = rf"(?:[{_W}.-]|(?<=[/_.-]){_FOREIGN})++"
_MARKUP = regex.compile(
    rf"</?[A-Za-z][{_W}:-]{{0,50}}+"
    rf"(?:\s+[{_W}:-]{{1,50}}+=(?:\"[^\"<>]{{0,500}}+\"|'[^'<>]{{0,500}}+'|[^\s<>\"']{{1,500}}+))*+\s*+/?>"
    rf"|(?:https?|ftp|file)://{_ADDRESS}|www\.{_ADDRESS}|(?<![{_W}.-])[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++/{_ADDRESS}"
    rf"|(?<![{_W}.%+-])[A-Za-z0-9._%+-]{{1,64}}+@(?:[A-Za-z0-9.-]|(?<=[@.-]){_FOREIGN})++"
    rf"|(?<![{_W}./\\-])[{_W}-]*+(?:/[{_W}.-]++){{2,}}+|(?<![\p{{L}}\p{{N}}./\\-])(?:~|\.{{1,2}}+)?+(?:/{_PART}){{2,}}+"
    rf"|[A-Za-z]:\\{_ADDRESS}"
    rf"|(?<![{_W}.])[A-Za-z_][{_W}]++(?:\.[a-z_][{_W}]++)++(?:\(\))?+|(?<![{_W}])[{_W}]++\(\)",
    regex.VERSION1,
)


def tokens(text: str) -> list[str]:
    """Words and numbers in order: ``"第1步 don't 3.5"`` gives ``第 1 步 don't 3.5``."""
    found: list[str] = TOKEN.findall(text)
    return found


def occurrences(text: str, phrase: str) -> int:
    """Count ``phrase`` in ``text`` as whole words, ignoring case; ``cat`` is not in ``concatenate``, ``猫`` is in ``小猫``.

    A phrase with symbols (``C++``) is matched character by character. Raises `ValueError` for a blank phrase.
    """
    if not phrase.strip():
        raise ValueError("a blank phrase")
    wanted = tokens(phrase.casefold())
    if sum(map(len, wanted)) < sum(not char.isspace() for char in phrase.casefold()):
        return text.casefold().count(phrase.casefold())
    return find_run(tokens(text.casefold()), wanted)


def find_run(haystack: Sequence[str], needle: Sequence[str]) -> int:
    """Count the occurrences of ``needle`` in ``haystack`` as a contiguous run."""
    size = len(needle)
    starts = (index for index, token in enumerate(haystack) if token == needle[0])
    return sum(list(haystack[start : start + size]) == list(needle) for start in starts)


def prose(text: str) -> str:
    r"""``text`` without code (fenced, inline), formulas (``$ $``, ``\( \)``, ``\[ \]``, commands), tags, addresses, paths, dotted names."""
    text = _FORMULA.sub(" ", _CODE.sub(" ", text))
    return str(_MARKUP.sub(" ", _without_commands(text)))


def _without_commands(text: str) -> str:
    r"""Remove each LaTeX command and the groups after it: ``\frac{1}{x_{2}} apples`` becomes ``apples``."""
    closed_by: dict[int, int] = {}
    open_braces: list[int] = []
    for mark in _BRACE.finditer(text):
        if mark.group() == "{":
            open_braces.append(mark.start())
        elif mark.group() == "}" and open_braces:
            closed_by[open_braces.pop()] = mark.end()
    kept: list[str] = []
    position = 0
    while match := _COMMAND.search(text, position):
        kept.append(text[position : match.start()])
        position = match.end()
        while position in closed_by:
            position = closed_by[position]
    return " ".join((*kept, text[position:]))
