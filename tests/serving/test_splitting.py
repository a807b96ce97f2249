"""Reasoning and content, however the text is cut into pieces, are what the parser of whole completions finds."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dunwu.models.thinking import parse_completion
from dunwu.serving.splitting import Parts, Splitter, without_reasoning

PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "<thi", "nk>", " ", "\n", "a", "<", "4 < 5"]), max_size=12
)


def split(pieces: list[str], opened: bool = False) -> Parts:
    splitter, found = Splitter(opened), Parts()
    for piece in pieces:
        found += splitter.feed(piece)
    return found + splitter.end()


@pytest.mark.parametrize(
    ("text", "opened", "reasoning", "content"),
    [
        ("<think>2*2=4.</think><answer>4</answer>", False, "2*2=4.", "4"),
        ("2*2=4.</think>\n\nIt is 4.", True, "2*2=4.", "It is 4."),
        ("<think>it never ends", False, "it never ends", ""),
        ("it never ends ", True, "it never ends", ""),
        ("<think>\n\n</think>\n\nyes", False, "", "yes"),
        ("<think>a</think>", False, "a", ""),
        ("no tags at all", False, "", "no tags at all"),
        ("<answer>4</answer>", False, "", "4"),
        ("<think>a</think> x <think> y", False, "a", "x <think> y"),
        ("Sure. <think>a</think> 4", False, "a", "Sure.  4"),
        ("a</think>4", False, "", "a4"),
        ("a < b and <b>", False, "", "a < b and <b>"),
        ("", False, "", ""),
    ],
)
def test_a_completion_has_two_parts(text: str, opened: bool, reasoning: str, content: str) -> None:
    assert split([text], opened) == Parts(reasoning, content)
    assert split(list(text), opened) == Parts(reasoning, content), "letter by letter"


@given(PIECES, st.booleans())
@example(["<think>", "a", "<", "/think>", " ", "b"], False)
def test_pieces_do_not_change_the_parts(pieces: list[str], opened: bool) -> None:
    assert split(pieces, opened) == split(["".join(pieces)], opened)


@given(st.text(alphabet="ab <\n", max_size=20), st.text(alphabet="ab <\n", max_size=20), st.booleans())
def test_it_finds_what_the_parser_finds(thought: str, answer: str, tagged: bool) -> None:
    text = f"<think>{thought}</think>\n{f'<answer>{answer}</answer>' if tagged else answer}"
    parsed, found = parse_completion(text), split(list(text))
    assert (found.reasoning, found.content) == (parsed.reasoning, parsed.visible)


def test_nothing_is_sent_that_could_still_be_a_tag() -> None:
    splitter = Splitter()
    assert splitter.feed("<think>a</thin") == Parts("a", "")
    assert splitter.feed("g>") == Parts("</thing>", "")
    assert splitter.thinking


@pytest.mark.parametrize(
    ("replayed", "kept"),
    [
        ("<think>2*2</think>\n\n4", "4"),
        ("2*2</think>4", "4"),
        ("<think>unfinished", ""),
        ("4", "4"),
        ("<answer>4</answer>", "4"),
    ],
)
def test_an_earlier_answer_loses_its_reasoning(replayed: str, kept: str) -> None:
    assert without_reasoning(replayed) == kept
