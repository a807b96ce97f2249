"""What is shown of a completion."""

from hypothesis import given
from hypothesis import strategies as st

from dunwu.analysis.text import Segment, breakable, shown, visible


def test_invisible_characters_are_spelled_out():
    assert visible("a\x00b\u202ec\ud800d\x1b[31m\u200b\u2028") == "a[U+0000]b[U+202E]c[U+D800]d[U+001B][31m[U+200B][U+2028]"
    assert visible("一\tb\r\nc") == "一\tb\nc"


def test_long_names_may_break_behind_dots_and_underscores_only():
    name = "grpo.micro_batch_tokens"
    assert breakable(f"<td>{name}</td>") == "<td>grpo.<wbr>micro_<wbr>batch_<wbr>tokens</td>"
    for kept in (
        f"<pre>{name}</pre>",
        f'<a href="{name}">x</a>',
        f"<head><title>{name}</title></head>",
        "<b>0.1234567890123456</b>",
        "a.name_b",
    ):
        assert breakable(kept) == kept


def test_a_completion_is_divided_at_its_reflective_words():
    assert shown("5-3=2;wait,等等 x").segments == (
        Segment("5-3=2;", False), Segment("wait", True), Segment(",", False), Segment("等等", True), Segment(" x", False),
    )  # fmt: skip


def test_a_long_completion_is_cut_and_says_so():
    found = shown("x" * 100_000, 600)
    assert (sum(len(piece.text) for piece in found.segments), found.cut) == (600, 99_400)


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_nothing_visible_is_lost(text):
    assert "".join(piece.text for piece in shown(text).segments) == text
