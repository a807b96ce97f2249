"""Texts of anybody in Markdown: nothing in them is markup. Checked with a parser where there is one, else by the rules of CommonMark."""

from __future__ import annotations

import re

import pytest

from dunwu.analysis.markdown import LONGEST, code, fence, markdown_table, prose

HOSTILE = [
    "```\n<script>x</script>\n```",
    "`````",
    "a | b",
    "\\`x`",
    "](http://x) ![](y)",
    "<img src=x>",
    "| - |\n|---|",
    "\u202eabc\x1b[31m",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fence_ends_only_at_its_end(text: str) -> None:
    first, *inner, last = fence(text).split("\n")
    marks = re.match("`+", first)
    assert marks is not None
    assert last == marks.group()
    assert not [line for line in inner if re.fullmatch(f" {{0,3}}`{{{len(last)},}}\\s*", line)]
    assert "\x1b" not in fence(text)
    assert "\u202e" not in fence(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_inline_code_is_one_span_on_one_line(text: str) -> None:
    span = code(text)
    marks = re.match("`+", span)
    assert marks is not None
    inner = span[len(marks.group()) : -len(marks.group())]
    assert "\n" not in span
    assert marks.group() not in re.findall("`+", inner)


def test_a_value_is_json_and_a_long_one_is_cut() -> None:
    assert code({"a": [1, None]}) == '`{"a": [1, null]}`'
    assert len(code("x" * 999)) == LONGEST + len("` ...`")
    assert code("") == "`  `"


@pytest.mark.parametrize("text", HOSTILE)
def test_prose_has_no_markup(text: str) -> None:
    written = prose(text)
    assert "\n" not in written
    assert "<" not in written
    assert not re.search(r"(?<!\\)[`*_\[\]]", re.sub(r"\\\\", "", written))


def test_a_table_has_the_cells_of_its_rows() -> None:
    assert markdown_table(("a", "b"), [("1", code("x|y"))]) == "| a | b |\n|---|---|\n| 1 | `x\\|y` |"
    assert markdown_table(("a",), []) == ""
