"""Format instructions, each with a text that follows it and one that almost does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.types import Problem
from dunwu.verifiers.instructions import KINDS, follows, verify_instructions

# Instruction, a text that follows it, a near miss.
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "words", "at_least": 3}, "one two three", "one two-"),
    ({"kind": "words", "at_most": 3}, "one two 3", "one two three four"),
    ({"kind": "words", "exactly": 5}, "我们算一下", "我们算一下吧"),
    ({"kind": "words", "at_least": 2, "at_most": 3}, "我 ok", "我"),
    ({"kind": "sentences", "exactly": 2}, "Dr. Smith came at 3.5 p.m. today. He left!", "One. Two. Three."),
    ({"kind": "sentences", "exactly": 2}, "先算加法。再算乘法！", "先算加法，再算乘法。"),
    ({"kind": "sentences", "at_least": 3}, "Yes? No... Well", "Yes? No"),
    ({"kind": "paragraphs", "exactly": 2}, "first\n\nsecond", "first\nsecond"),
    ({"kind": "paragraphs", "exactly": 2, "separator": "***"}, "first\n***\nsecond", "first\n\nsecond"),
    ({"kind": "bullets", "exactly": 2}, "* one\n- two", "* one\n**two**"),
    ({"kind": "bullets", "exactly": 2, "numbered": True}, "1. one\n2. two", "1. one\n* two"),
    ({"kind": "highlights", "at_least": 2}, "*one* and **two**", "*one* and 2*3*4"),
    ({"kind": "placeholders", "at_least": 2}, "to [name] at [address]", "to [name] at [address](link)"),
    ({"kind": "capital_words", "at_most": 1}, "Only ONE here", "NOW TWO"),
    ({"kind": "keyword_frequency", "keyword": "cat", "exactly": 2}, "Cat, cat, catch", "cat and cats"),
    ({"kind": "keyword_frequency", "keyword": "苹果", "at_least": 2}, "苹果和苹果", "苹果和果"),
    ({"kind": "letter_frequency", "letter": "z", "at_least": 2}, "Zig zag", "zero"),
    ({"kind": "sections", "heading": "Section", "exactly": 2}, "Section 1\na\n## Section 2\nb", "Section 1\nsee Section 2"),
    ({"kind": "keywords", "keywords": ["alpha", "beta"]}, "Beta before alpha.", "alphabet beta"),
    ({"kind": "forbidden_words", "words": ["but"]}, "a button", "all but one"),
    ({"kind": "forbidden_words", "words": ["因为"]}, "所以如此", "这是因为它"),
    ({"kind": "starts_with", "phrase": "Dear all"}, '"Dear all, hello', "Dearall, hello"),
    ({"kind": "ends_with", "phrase": "Is that all?"}, "Well. Is that all?", "Is that all? Yes."),
    ({"kind": "ends_with", "phrase": "完毕"}, "今天的报告完毕。", "报告完毕了"),
    ({"kind": "no_commas"}, "one; two", "一，二"),
    ({"kind": "lower_case"}, "all small 3", "All small"),
    ({"kind": "upper_case"}, "ALL LARGE 3", "ALL LARGe"),
    ({"kind": "title"}, "<<My Day>>\ntext", "<< >>\ntext"),
    ({"kind": "json"}, '```json\n{"a": 1}\n```', "{'a': 1}"),
    ({"kind": "postscript"}, "Bye.\nP.S. Write soon.", "Bye. This is P.S. or so"),
    ({"kind": "postscript", "marker": "P.P.S"}, "P.P.S: one more", "P.S. one more"),
    ({"kind": "quotation"}, '"All of it."', '"Some of it" only'),
    ({"kind": "quotation"}, "「全部」", "「一部"),
    ({"kind": "language", "language": "zh"}, "这是中文，用 Python 写成。", "This is 中文"),
    ({"kind": "language", "language": "en"}, "This is English.", "这是中文"),
    ({"kind": "two_responses"}, "First one.\n******\nSecond one.", "Same.\n******\nSame."),
    ({"kind": "one_of", "options": ["My answer is yes.", "My answer is no."]}, "My answer is no.", "My answer is yes or no."),
    ({"kind": "paragraph_start", "paragraph": 2, "word": "weather"}, "One.\n\nWeather is nice.", "Weather.\n\nOne."),
    ({"kind": "repeat_prompt", "prompt": "What is  it?"}, "What is it?\nIt is a cat.", "What is it?"),
]


@pytest.mark.parametrize(("instruction", "text", "near_miss"), CASES, ids=lambda value: str(value)[:40])
def test_following_and_almost_following(instruction: dict[str, Any], text: str, near_miss: str) -> None:
    assert follows(instruction, text)[0] is True, follows(instruction, text)
    assert follows(instruction, near_miss)[0] is False, follows(instruction, near_miss)


def test_every_kind_is_tested() -> None:
    assert {instruction["kind"] for instruction, *_ in CASES} == set(KINDS)


def verify(instructions: Any, answer: str) -> Any:
    return verify_instructions(Problem(id="i", task="t", text="", verifier="instructions", data={"instructions": instructions}), answer)


def test_all_instructions_must_hold_and_each_is_reported() -> None:
    both = [{"kind": "no_commas"}, {"kind": "words", "at_most": 3}]
    assert verify(both, "one two").score == 1.0
    found = verify(both, "one two three four")
    assert (found.score, found.reason) == (0.0, "wrong")
    assert found.detail == "no_commas: yes (0 commas); words: no (4 words)"


@pytest.mark.parametrize(
    "instruction",
    [
        {"kind": "rhymes"},
        {"at_least": 3},
        {"kind": "words"},
        {"kind": "words", "at_least": "3"},
        {"kind": "words", "at_least": True},
        {"kind": "words", "minimum": 3},
        {"kind": "keywords"},
        {"kind": "keywords", "keywords": []},
        {"kind": "keywords", "keywords": "alpha"},
        {"kind": "keyword_frequency", "keyword": " ", "exactly": 0},
        {"kind": "letter_frequency", "letter": "ab", "at_least": 1},
        {"kind": "starts_with", "phrase": "?"},
        {"kind": "language", "language": "klingon"},
        {"kind": "paragraphs", "exactly": 2, "separator": "---"},
        {"kind": "repeat_prompt", "prompt": ""},
        {"kind": "one_of", "options": []},
        {"kind": "paragraph_start", "paragraph": 0, "word": "a"},
        {"kind": "paragraph_start", "paragraph": 3, "paragraphs": 2, "word": "a"},
        "no_commas",
    ],
)
def test_a_wrong_instruction_is_an_error_and_never_a_reward(instruction: Any) -> None:
    found = verify([instruction, {"kind": "no_commas"}], "alpha beta")
    assert (found.score, found.reason) == (None, "error")
    assert found.detail


def test_no_instructions_give_no_reward() -> None:
    assert verify([], "text").score is None
    with pytest.raises(KeyError):
        verify_instructions(Problem(id="i", task="t", text="", verifier="instructions"), "text")


def test_empty_and_overlong_answers() -> None:
    assert verify([{"kind": "no_commas"}], " ").reason == "unparsable"
    assert verify([{"kind": "no_commas"}], "x " * 100_000).reason == "unparsable"


@given(st.text(min_size=1))
def test_no_text_raises(text: str) -> None:
    assert verify([instruction for instruction, *_ in CASES], text).score == 0.0


@pytest.mark.parametrize("piece", ["*", "* ", "[", "<<", '"', "A.", "1. ", "P.S.", ".", "`", "\n"])
def test_hostile_text_terminates(piece: str) -> None:
    text = "a" + piece * (100_000 // len(piece))
    assert verify([instruction for instruction, *_ in CASES], text).score == 0.0


# IFEval's own checks, with our texts: an instruction, and a text that follows it or does not.
FOLLOWED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "ends_with", "phrase": " Is that all?"}, "Is that all?"),
    ({"kind": "ends_with", "phrase": "  Is that all? "}, "Well.\nIs that all?\n"),
    ({"kind": "ends_with", "phrase": "Any other questions?"}, '"Any other\nquestions?"'),
    ({"kind": "ends_with", "phrase": "That's it."}, "Well. That’s it."),
    ({"kind": "ends_with", "phrase": "Peace"}, "I want peace!"),
    ({"kind": "ends_with", "phrase": "Peace!"}, "**Peace!**"),
    ({"kind": "ends_with", "phrase": "is it? :)"}, "What is it? :)"),
    ({"kind": "postscript", "marker": "P.P.S"}, "Bye.\nP.P.S. One more."),
    ({"kind": "postscript", "marker": "P.P.S"}, "Bye.\nP.P.S One more."),
    ({"kind": "postscript", "marker": "P.P.S"}, "Bye.\n**P. P. S.** One more."),
    ({"kind": "postscript", "marker": "P.P.S"}, "Bye.\np.p.s: One more."),
    ({"kind": "postscript", "marker": "P.S."}, "Bye.\nP.S. x"),
    ({"kind": "postscript", "marker": "P.S."}, "Bye.\nP.S: x"),
    ({"kind": "postscript", "marker": "P.S."}, "Bye.\nP. S. x"),
    ({"kind": "postscript", "marker": "P.S."}, "I wrote it. P.S. I love you."),
    ({"kind": "postscript", "marker": "P.S."}, "> P.S. — x"),
    ({"kind": "postscript", "marker": "P.S."}, "(P.S. x)"),
    ({"kind": "postscript", "marker": "P.P.S."}, "P.P.S. x"),
    ({"kind": "postscript", "marker": "附言"}, "再见。\n附言：再写"),
    ({"kind": "two_responses"}, "******\nA one\n******\nB two"),
    ({"kind": "two_responses"}, "A one\n******\nB two\n******"),
    ({"kind": "title"}, "<<A > B>>"),
    ({"kind": "title"}, "<< A day >>"),
    ({"kind": "bullets", "exactly": 2}, "-one\n-two"),
    ({"kind": "bullets", "exactly": 2}, "•one\n• two"),
    ({"kind": "one_of", "options": ["My answer is yes.", "My answer is no.", "My answer is maybe."]}, "Well, my answer is yes."),
    ({"kind": "paragraph_start", "paragraph": 2, "word": "Weather", "paragraphs": 2}, 'a\n\n"Weather is nice'),
    ({"kind": "starts_with", "phrase": "C++ is"}, "**C++ is** good"),
]
NOT_FOLLOWED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "ends_with", "phrase": "Is that all?"}, "Is that all."),
    ({"kind": "ends_with", "phrase": "Peace"}, "peaceful"),
    ({"kind": "ends_with", "phrase": "Peace"}, "Peace and love"),
    ({"kind": "postscript", "marker": "P.P.S"}, "P.S. x"),
    ({"kind": "postscript", "marker": "P.S."}, "P.P.S. x"),
    ({"kind": "postscript", "marker": "P.S."}, "P.S."),
    ({"kind": "postscript", "marker": "P.P.S"}, "P.P.S."),
    ({"kind": "postscript", "marker": "P.S."}, "Bye. This is P.S. or so"),
    ({"kind": "postscript", "marker": "P.S."}, "PS x"),
    ({"kind": "two_responses"}, "A\n******\n\n******\nB"),
    ({"kind": "title"}, "<< >>"),
    ({"kind": "title"}, "<<>>"),
    ({"kind": "bullets", "exactly": 1}, "- - -"),
    ({"kind": "placeholders", "exactly": 1}, "- [ ] x"),
    ({"kind": "one_of", "options": ["My answer is yes.", "My answer is no."]}, "My answer is yes. My answer is no."),
    ({"kind": "one_of", "options": ["yes", "no"]}, "maybe"),
    ({"kind": "paragraph_start", "paragraph": 2, "word": "Weather", "paragraphs": 2}, "Weather\n\na"),
    ({"kind": "paragraph_start", "paragraph": 1, "word": "Weather", "paragraphs": 2}, "Weather"),
    ({"kind": "starts_with", "phrase": "C++ is"}, "C is"),
    ({"kind": "starts_with", "phrase": "-5 is"}, "5 is"),
]


@pytest.mark.parametrize(("instruction", "text"), FOLLOWED, ids=lambda value: str(value)[:60])
def test_spellings_that_follow(instruction: dict[str, Any], text: str) -> None:
    assert follows(instruction, text)[0] is True, follows(instruction, text)


@pytest.mark.parametrize(("instruction", "text"), NOT_FOLLOWED, ids=lambda value: str(value)[:60])
def test_spellings_that_do_not_follow(instruction: dict[str, Any], text: str) -> None:
    assert follows(instruction, text)[0] is False, follows(instruction, text)


def test_invisible_characters_do_not_hide_words() -> None:
    assert verify([{"kind": "forbidden_words", "words": ["but"]}], "all b\u200but one").score == 0.0
    assert verify([{"kind": "words", "at_least": 2}], "o\u00adne").score == 0.0
